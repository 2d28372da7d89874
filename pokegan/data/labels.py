"""Label images with types and evolution lines, from an npm package."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from pokegan.core.errors import PipelineError
from pokegan.core.schema import NpmPackage
from pokegan.data.sources.npm import read_packages

PACKAGE = "oakdex-pokedex"
FILES = {PACKAGE: re.compile(r"data/pokemon\.json")}


class Labels(NamedTuple):
    """Labels of a form of a species; the columns of the table of labels."""

    first_type: str | None = None
    second_type: str | None = None
    family: int | None = None  # national number of the first species of the evolution line


Pokedex = dict[tuple[int, str], Labels]  # by national number and form, "" for the usual form


def read_pokedex(packages: Mapping[str, NpmPackage], scratch: Path) -> Pokedex:
    """Download the labels of all forms; none if no package is pinned."""
    pokedex: Pokedex = {}
    for _, content in read_packages(packages, scratch, "label.npm", FILES):
        pokedex |= parse_pokedex(content)
    return pokedex


def parse_pokedex(content: bytes) -> Pokedex:
    """Parse data/pokemon.json of the package; raise a PipelineError for another format."""
    try:
        entries = {entry["names"]["en"]: entry for entry in json.loads(content).values()}
        pokedex: Pokedex = {}
        for entry in entries.values():
            first = entry
            while first["evolution_from"]:
                first = entries[first["evolution_from"]]
            for form, types in _forms(entry):
                first_type, second_type = types if len(types) == 2 else (types[0], None)
                labels = Labels(first_type, second_type, first["national_id"])
                pokedex[entry["national_id"], _normalize(form)] = labels
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise PipelineError(
            f"data/pokemon.json of {PACKAGE} has another format ({error!r}); "
            "restore label.npm in params.yaml."
        ) from error
    return pokedex


def _forms(entry: dict[str, Any]) -> Iterator[tuple[str, list[str]]]:
    """Yield names and types of the forms; file names use the image suffix or the English name."""
    yield "", entry["types"]
    megas = [{"image_suffix": "mega", **mega} for mega in entry.get("mega_evolutions", ())]
    for form in [*entry.get("variations", ()), *megas]:
        for name in (form.get("image_suffix"), form.get("names", {}).get("en")):
            if name:
                yield name, form["types"]


def _normalize(form: str) -> str:
    return form.lower().replace("-", "").replace(" ", "")


def label_images(manifest: pd.DataFrame, pokedex: Pokedex) -> pd.DataFrame:
    """Return the manifest's row and national_number with the labels of each image.

    The labels are missing if the pokedex lacks the number or the form.
    """
    keys = zip(manifest["national_number"], manifest["form"].fillna(""), strict=True)
    labels = [pokedex.get((number, _normalize(form)), Labels()) for number, form in keys]
    table = pd.DataFrame(labels, index=manifest.index).astype({"family": "Int64"})
    return manifest[["row", "national_number"]].join(table)
