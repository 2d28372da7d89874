"""Curves of shares: what is drawn, and how it is told apart."""

from __future__ import annotations

import numpy as np

from pokegan.report.charts import DASHES, INK, shares


def test_shares_are_cumulative() -> None:
    drawn = shares({"x": np.array([*range(101), np.inf]), "none": np.array([np.inf])}, "far", "red")
    (points,) = drawn["datasets"].values()
    assert {point["of"] for point in points} == {"x"}
    values = np.array([point["value"] for point in points])
    assert (np.diff(values) > 0).all()
    np.testing.assert_allclose(values, [100 * point["share"] for point in points], atol=0.01)


def test_only_the_first_has_a_colour_and_each_its_own_dashes() -> None:
    curves = {name: np.arange(5.0) for name in "abcd"}
    drawn = shares(curves, "error", "#123456", mark=1.0)
    rule, line, _ = drawn["layer"]
    assert rule["mark"]["type"] == "rule"
    encoding = line["encoding"]
    assert encoding["color"]["scale"] == {"domain": [*"abcd"], "range": ["#123456", *[INK] * 3]}
    assert encoding["strokeDash"]["scale"] == {"domain": [*"abcd"], "range": DASHES}
    assert len({tuple(dashes) for dashes in DASHES}) == 4
