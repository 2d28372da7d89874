"""Whether generated pictures are copies: distances as curves, and pictures beside their nearest."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import altair as alt
import numpy as np
import pandas as pd

from stages.errors import PipelineError
from stages.pictures.animation import at_most, captioned, data_uri
from stages.pictures.charts import INK, finished
from stages.pictures.grids import grid
from stages.pictures.stories import ENCODERS

SIDE = 64  # pixels of a picture on the page
POINTS = 60  # of a curve, which has no more to say
OWN, OTHERS = "true, same species", "true, another species"
# Pairs of true pictures have no colour: they are what the coloured curve is seen against.
DASHES = {OWN: [2, 3], OTHERS: [7, 4]}


def copies(folders: Iterable[Path], encoder: str, colours: dict[str, str]) -> dict[str, Any]:
    """What the matchings by ENCODER left in FOLDERS, one a network, as the page shows it.

    "networks": name → figures, a sheet and the place of a chart, or the name of what is "missing";
    "charts": place → chart.

    Raises:
        PipelineError: a file is broken.
    """
    told: dict[str, Any] = {"encoder": ENCODERS[encoder], "networks": {}, "charts": {}}
    for folder in folders:
        name, file = folder.name, folder / "copies" / encoder
        try:
            figures = json.loads(file.with_suffix(".json").read_text(encoding="utf-8"))
            with np.load(file.with_suffix(".npz"), allow_pickle=False) as stored:
                arrays = dict(stored)
            place = f"copies-{name}"
            told["charts"][place] = {"title": name, "specification": chart(name, arrays, colours)}
            told["networks"][name] = {
                "figures": figures,
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
    pictures = at_most(rows.reshape(-1, *rows.shape[2:]), SIDE)
    return grid(captioned(pictures, captions), columns)


def chart(name: str, arrays: dict[str, np.ndarray], colours: dict[str, str]) -> dict[str, Any]:
    """The share of pictures whose nearest is nearer than a distance: that of the network NAME's.

    Beside it, of the training pictures, to those of the same and of another species.
    """
    curves = {name: arrays["distances"], OWN: arrays["to_own"], OTHERS: arrays["to_others"]}
    told = [cumulative(of, distances) for of, distances in curves.items()]
    rows = pd.concat([each for each in told if len(each)])
    line = alt.Chart(rows).encode(
        x=alt.X("distance:Q", title="distance to the nearest training picture"),
        y=alt.Y("share:Q", title=None, axis=alt.Axis(format="%"), scale=alt.Scale(domain=[0, 1])),
        tooltip=[
            alt.Tooltip("of:N"),
            alt.Tooltip("distance:Q", format=".1f"),
            alt.Tooltip("share:Q", title="are nearer", format=".0%"),
        ],
    )
    layers = [
        line.transform_filter(alt.datum.of == of).mark_line(
            strokeWidth=1.6, strokeDash=dashes, color=INK, opacity=0.7
        )
        for of, dashes in DASHES.items()
    ]
    own = line.transform_filter(alt.datum.of == name)
    layers.append(own.mark_line(strokeWidth=2.4, color=colours[name]))
    halos = line.mark_point(size=200, opacity=0, filled=True)
    return finished(
        alt.layer(*layers, halos), f"Distances of {name}'s pictures to training pictures"
    )


def cumulative(of: str, distances: np.ndarray) -> pd.DataFrame:
    """How many of DISTANCES (N,) are smaller than some: the curve OF what they are of."""
    finite = distances[np.isfinite(distances)]
    if not len(finite):
        return pd.DataFrame(columns=["distance", "share", "of"])
    shares = np.linspace(0, 1, POINTS)
    points = {"distance": np.quantile(finite, shares).round(3), "share": shares.round(4)}
    return pd.DataFrame(points).assign(of=of)
