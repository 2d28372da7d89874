"""What a package knows of each species: its types, those of its forms, its evolution line."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pokegan.core.errors import PipelineError

# The package that is known here, and the file of it that is wanted.
PACKAGE = "oakdex-pokedex"
WANTED = {PACKAGE: re.compile(r"data/pokemon\.json")}

Types = tuple[str, ...]


@dataclass(frozen=True)
class Species:
    """TYPES, the first one first; FAMILY is the national number of the first of its evolution line.

    FORMS: the types of other forms, by the names that the package has for them.
    """

    types: Types
    family: int
    forms: Mapping[str, Types]

    def types_of(self, form: str) -> Types:
        """The types of FORM; empty where the package does not know that form."""
        return self.forms.get(_plain(form), ()) if form else self.types


def read_pokedex(content: bytes) -> dict[int, Species]:
    """National number → species, from the CONTENT of the package's data/pokemon.json.

    Raises:
        PipelineError: CONTENT is something else.
    """
    try:
        entries = {entry["names"]["en"]: entry for entry in json.loads(content).values()}
        return {
            entry["national_id"]: Species(
                tuple(entry["types"]), _ancestor(entry, entries), dict(_forms(entry))
            )
            for entry in entries.values()
        }
    except (ValueError, KeyError, TypeError, AttributeError) as fault:
        raise PipelineError(
            f"{PACKAGE}'s data/pokemon.json is not what is known of it ({fault!r}); "
            "restore label.npm in params.yaml."
        ) from fault


def _ancestor(entry: dict[str, Any], entries: dict[str, dict[str, Any]]) -> int:
    while entry["evolution_from"]:
        entry = entries[entry["evolution_from"]]
    number: int = entry["national_id"]
    return number


def _forms(entry: dict[str, Any]) -> list[tuple[str, Types]]:
    """Pictures call a form by the suffix of the package's pictures, or by its English name."""
    megas = [{"image_suffix": "mega", **mega} for mega in entry.get("mega_evolutions", ())]
    return [
        (_plain(name), tuple(form["types"]))
        for form in [*entry.get("variations", ()), *megas]
        for name in (form.get("image_suffix"), form.get("names", {}).get("en"))
        if name
    ]


def _plain(form: str) -> str:
    return form.lower().replace("-", "").replace(" ", "")
