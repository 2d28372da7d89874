"""What types of Pokémon look like, and what tells them apart, as the page shows it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from pokegan.core.errors import PipelineError
from pokegan.report.animation import at_most, data_uri

KINDS = ("colour", "shape", "pixels", "encoder")


def read_types(files: tuple[Path, Path] | None) -> dict[str, Any]:
    """What the contrast of types left in FILES (.json and .npz): scores, and a card a type.

    "missing" names a file that is not there; without it
    there are neither scores nor cards. Of too few pictures there are no scores.

    Raises:
        PipelineError: a file is broken.
    """
    told: dict[str, Any] = {"missing": None, "facts": {}, "scores": {}, "cards": []}
    if files is None:
        return told | {"missing": "reports/types.json"}
    file, pictures = files
    try:
        facts = json.loads(file.read_text(encoding="utf-8"))
        with np.load(pictures, allow_pickle=False) as stored:
            portraits = dict(stored)
        scores = {kind: scores_of(kind, facts) for kind in ("commonest", *KINDS)}
        return told | {
            "facts": facts,
            "scores": {kind: each for kind, each in scores.items() if each},
            "cards": cards(portraits),
        }
    except FileNotFoundError as fault:
        return told | {"missing": fault.filename}
    except (ValueError, KeyError, TypeError, EOFError, OSError, BadZipFile) as fault:
        raise PipelineError(
            f"{file} cannot be read ({fault}); run `dvc repro -f contrast`."
        ) from fault


def scores_of(kind: str, facts: dict[str, Any]) -> dict[str, float]:
    """The scores in FACTS whose names begin with KIND, without it; empty if there are none."""
    return {
        key.removeprefix(f"{kind}_"): float(value)
        for key, value in facts.items()
        if key.startswith(f"{kind}_") and isinstance(value, float)
    }


def cards(portraits: dict[str, np.ndarray]) -> list[dict[str, Any]]:
    """A card for each of the types in PORTRAITS."""
    silhouettes = 255 - np.repeat(portraits["silhouettes"][..., None], 3, axis=3)
    pairs = [at_most(each) for each in (portraits["means"], silhouettes)]
    told = portraits.get("told_by_colour", np.full(len(silhouettes), np.nan))
    return [
        {
            "name": str(name),
            "count": int(portraits["counts"][place]),
            "colour": "#{:02x}{:02x}{:02x}".format(*portraits["colours"][place].tolist()),
            "picture": data_uri(pairs[0][place], lossless=False),
            "silhouette": data_uri(pairs[1][place], lossless=False),
            "told": float(told[place]) if np.isfinite(told[place]) else None,
        }
        for place, name in enumerate(portraits["names"])
    ]
