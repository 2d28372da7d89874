"""Data of the charts, which templates/charts.js draws, and the script that it needs."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

# Okabe and Ito's palette, which is safe for color-blind readers, on white and on black.
COLORS = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00"]
DASHES = [[1, 0], [7, 4], [2, 3], [9, 3, 2, 3]]
QUANTILES = np.linspace(0, 1, 51).round(3)

Chart = dict[str, Any]


def palette(networks: Iterable[str]) -> dict[str, str]:
    """Assign a color to each network."""
    return {name: COLORS[index % len(COLORS)] for index, name in enumerate(networks)}


def curves(
    tables: dict[str, pd.DataFrame],
    titles: dict[str, str],
    colors: dict[str, str],
    real_scores: dict[str, dict[str, float]] | None = None,
) -> list[Chart]:
    """Return a chart per column, with a curve over epochs for each network that has the column.

    The titles are those of the columns; real scores (network → column → value) are dashed lines.
    """
    charts = []
    for column, title in titles.items():
        own = {name: table for name, table in tables.items() if column in table}
        if own:
            rows = pd.concat(
                table[["epoch", column]].set_axis(["epoch", "value"], axis=1).assign(network=name)
                for name, table in own.items()
            )
            real = [
                {"network": name, "value": scores[column]}
                for name, scores in (real_scores or {}).items()
            ]
            records = rows.dropna().to_dict("records")
            content = {"title": title, "rows": records, "real": real, "colors": colors}
            charts.append({"kind": "curve", **content})
    return charts


def cumulative(
    samples: dict[str, np.ndarray], axis: str, color: str, mark: float | None = None
) -> Chart:
    """Return a chart of cumulative distributions of samples (N,); infinite values are left out.

    The first curve has the color, the others are dashed; the mark is the x of a vertical line.
    """
    rows = []
    for name, values in samples.items():
        finite = values[np.isfinite(values)]
        if len(finite):
            quantiles = np.quantile(finite, QUANTILES).round(4).tolist()
            rows += [
                {"name": name, "share": share, "value": value}
                for share, value in zip(QUANTILES.tolist(), quantiles, strict=True)
            ]
    lines = {"rows": rows, "names": list(samples), "color": color, "mark": mark}
    return {"kind": "cumulative", "title": axis, **lines}


def spectra(profiles: dict[str, tuple[np.ndarray, np.ndarray]], colors: dict[str, str]) -> Chart:
    """Return a chart of power relative to that of real images, over the frequency.

    Profiles are those of generated and of real images, each (R/2,), by network.
    """
    rows = [
        {"network": name, "frequency": (index + 1) / (2 * len(reals)), "value": float(ratio)}
        for name, (fakes, reals) in profiles.items()
        for index, ratio in enumerate((fakes / reals.clip(1e-12)).round(4))
        if ratio > 0
    ]
    title = "power, relative to real images"
    return {"kind": "spectra", "title": title, "rows": rows, "colors": colors}
