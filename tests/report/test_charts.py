"""Data of the charts."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pokegan.report.charts import COLORS, QUANTILES, cumulative, curves, palette


def test_distributions_are_cumulative_and_skip_infinite_values() -> None:
    samples = {"x": np.array([*range(101), np.inf]), "none": np.array([np.inf])}
    chart = cumulative(samples, "distance", "red")
    assert {row["name"] for row in chart["rows"]} == {"x"}
    assert [row["share"] for row in chart["rows"]] == QUANTILES.tolist()
    values = [row["value"] for row in chart["rows"]]
    assert values == pytest.approx(100 * QUANTILES)


def test_a_curve_has_the_networks_that_have_its_column() -> None:
    tables = {
        "a": pd.DataFrame({"epoch": [1.0, 2.0], "fd": [3.0, np.nan]}),
        "b": pd.DataFrame({"epoch": [1.0], "fd": [4.0], "kd": [5.0]}),
    }
    titles = {"fd": "FID", "kd": "KID", "cs": "IS"}
    fid, kid = curves(tables, titles, {"a": "red", "b": "blue"})
    assert (fid["title"], kid["title"]) == ("FID", "KID")
    assert fid["rows"] == [
        {"epoch": 1.0, "value": 3.0, "network": "a"},
        {"epoch": 1.0, "value": 4.0, "network": "b"},
    ]
    assert [row["network"] for row in kid["rows"]] == ["b"]


def test_more_networks_than_colors_repeat_them() -> None:
    colors = palette([str(index) for index in range(len(COLORS) + 1)])
    assert len(set(colors.values())) == len(COLORS)
    assert colors["0"] == colors[str(len(COLORS))]
