"""What the page shows of latent spaces: ways, neighbourhoods, and how well AEGAN comes back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from pokegan.core.errors import PipelineError
from pokegan.core.grids import WHITE, grid
from pokegan.report.animation import at_most, data_uri
from pokegan.report.charts import shares

COLUMNS = 8
ERRORS = {
    "picture_errors": "true pictures",
    "mirrored_errors": "their mirror images",
    "mean_errors": "the mean picture in their place",
    "unrelated_errors": "any generated picture in their place",
}


def read_latent_space(folder: Path, colour: str) -> dict[str, Any]:
    """What stages.explore left of a network in FOLDER, as the page shows it, in its COLOUR.

    Where a file is not there, "missing" names it, and all else is None or empty. "ways" are None
    where latents are single numbers, "back" where the network has no encoder.

    Raises:
        PipelineError: a file is broken.
    """
    nothing: dict[str, Any] = {"missing": None, "ways": None, "back": None, "charts": {}}
    told = {"name": folder.name, **nothing}
    file = folder / "latent_space.npz"
    try:
        with np.load(file, allow_pickle=False) as stored:
            found = dict(stored)
        if "paths" in found:
            told["ways"] = ways(found)
        if "picture_errors" in found:
            file = folder / "reconstruction.json"
            figures = json.loads(file.read_text(encoding="utf-8"))
            told["back"] = back(found, figures)
            told["charts"] = charts(folder.name, found, colour)
    except FileNotFoundError as fault:
        return {**told, **nothing, "missing": fault.filename}
    except (ValueError, KeyError, EOFError, OSError, BadZipFile) as fault:
        raise PipelineError(f"{file} cannot be read ({fault}); run `dvc repro`.") from fault
    return told


def ways(found: dict[str, np.ndarray]) -> dict[str, Any]:
    """Rows from latent to latent, rows of neighbours, and how far a picture has moved by then."""
    degrees, changes = found["degrees"].tolist(), found["changes"].tolist()
    return {
        "paths": rows(found["paths"]),
        "neighbours": rows(found["neighbourhoods"]),
        "degrees": degrees,
        "change": changes[-1],
        # A network that draws one picture only has none.
        "shares": dict(zip(degrees, (each / (changes[-1] or 1) for each in changes), strict=True)),
    }


def back(found: dict[str, np.ndarray], figures: dict[str, Any]) -> dict[str, Any]:
    """True pictures beside what became of them, the ways between some, and FIGURES of all."""
    nearer = round(figures["nearer_than_mean"] * figures["pictures"])
    return {
        "pairs": {
            kind: pairs(*(found[f"{kind}_{part}"] for part in ("originals", "again", "errors")))
            for kind in ("spaced", "best", "worst")
        },
        "between": rows(found["between"]) if "between" in found else None,
        "figures": {**figures, "nearer": nearer},
    }


def rows(pictures: np.ndarray) -> str:
    """PICTURES (…, R, R, 3) as one picture, COLUMNS a row."""
    flat = pictures.reshape(-1, *pictures.shape[-3:])
    return data_uri(grid(at_most(flat), COLUMNS), lossless=False)


def pairs(originals: np.ndarray, again: np.ndarray, errors: np.ndarray) -> list[dict[str, Any]]:
    """Rows of ORIGINALS (N, R, R, 3) above what came of them AGAIN, with their ERRORS (N,)."""
    told = []
    for start in range(0, len(originals), COLUMNS):
        part = slice(start, start + COLUMNS)
        missing = [(0, COLUMNS - len(errors[part])), (0, 0), (0, 0), (0, 0)]
        both = [np.pad(each[part], missing, constant_values=WHITE) for each in (originals, again)]
        told.append({"picture": rows(np.stack(both)), "errors": errors[part].tolist()})
    return told


def charts(name: str, found: dict[str, np.ndarray], colour: str) -> dict[str, dict[str, Any]]:
    """How many pictures and latents of the network NAME come back with at most which error.

    By the ids of their places: a title, the names of the lines, and a specification.
    """
    pictures = {title: found[kind] for kind, title in ERRORS.items()}
    latents = {"latents": found["latent_errors"] / found["latent_lengths"]}
    return {
        f"latent-{name}-{kind}": {
            "title": title,
            "lines": list(errors),
            "colour": colour,
            "specification": shares(errors, axis, colour, mark),
        }
        for kind, title, axis, errors, mark in (
            ("pictures", "Errors of pictures, G(E(x))", "at most this error", pictures, None),
            ("latents", "Errors of latents, E(G(z))", "at most this share of |z|", latents, 1.0),
        )
    }
