"""Whether generated pictures are copies: distances as curves, and pictures beside their nearest."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from pokegan.core.errors import PipelineError
from pokegan.core.grids import grid
from pokegan.report.animation import at_most, captioned, data_uri
from pokegan.report.charts import shares
from pokegan.report.stories import ENCODERS

AXIS = "distance to the nearest training picture"
TRUE = {"true, to another species": "to_others", "true, to the same species": "to_own"}


def read_copies(folders: Iterable[Path], colours: dict[str, str]) -> dict[str, Any]:
    """What the matchings left in FOLDERS, one a network, as the page shows it.

    "networks": name → figures, a sheet and the place of a chart, or the name of what is "missing";
    "charts": place → chart.

    Raises:
        PipelineError: a file is broken.
    """
    told: dict[str, Any] = {"networks": {}, "charts": {}}
    for folder in folders:
        name, file = folder.name, folder / "copies"
        try:
            figures = json.loads(file.with_suffix(".json").read_text(encoding="utf-8"))
            with np.load(file.with_suffix(".npz"), allow_pickle=False) as stored:
                arrays = dict(stored)
            curves = {name: arrays["distances"], **{of: arrays[key] for of, key in TRUE.items()}}
            place = f"copies-{name}"
            told["charts"][place] = {
                "title": name,
                "specification": shares(curves, AXIS, colours[name]),
            }
            told["networks"][name] = {
                "figures": figures,
                "encoder": ENCODERS[figures["encoder"]],
                "sheet": data_uri(sheet(arrays), lossless=False),
                "neighbours": arrays["neighbours"].shape[1],
                "place": place,
            }
        except FileNotFoundError as fault:
            told["networks"][name] = {"missing": fault.filename}
        except (ValueError, KeyError, EOFError, OSError, BadZipFile) as fault:
            raise PipelineError(f"{file}.* cannot be read ({fault}); run `dvc repro`.") from fault
    return told


def sheet(arrays: dict[str, np.ndarray]) -> np.ndarray:
    """A row a generated picture: itself, then its neighbours with their distances."""
    neighbours = arrays["neighbours"]
    columns = 1 + neighbours.shape[1]
    rows = np.concatenate([arrays["drawn"][:, None], neighbours], axis=1)
    captions = [
        caption
        for distances in arrays["neighbour_distances"]
        for caption in ("generated", *(f"{distance:.1f}" for distance in distances))
    ]
    pictures = at_most(rows.reshape(-1, *rows.shape[2:]))
    return grid(captioned(pictures, captions), columns)
