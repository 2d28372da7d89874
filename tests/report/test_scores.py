import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pokegan.report.charts import QUANTILES, cumulative, curves, spectra
from tests.conftest import set_params
from tests.report.fixtures import FULL, LITE, PLAIN, SCORES, edit_json, save_scores


def test_each_network_has_its_own_number_of_images(root: Path, text: Callable[[], str]) -> None:
    file = root / f"reports/networks/{PLAIN}/scores.json"
    edit_json(file, lambda values: values.update(pictures=17))
    (cells,) = re.findall(r"images per side</th>(.*?)</tr>", text())
    assert re.findall(r"\d+", cells) == ["24", "17"]


@pytest.mark.parametrize("encoders", [["dinov2"], ["inception", LITE]])
def test_scores_have_the_names_of_their_encoder(
    root: Path, text: Callable[[], str], encoders: list[str]
) -> None:
    """DINOv2 has no classes; only scores of the Inception network are FID, KID and IS."""
    for encoder in encoders:
        scores = tuple(score for score in SCORES if encoder != "dinov2" or score != "cs")
        save_scores(root / f"reports/networks/{FULL}", encoder, scores)
    set_params(root, {"evaluate.encoders": encoders})
    found = text()
    titles = re.findall(r'<th scope="row">([^<]*)</th>', found)
    assert ("FID" in titles) == ("inception" in encoders)
    assert ("classifier score" in titles) == (LITE in encoders)


def test_scores_over_trainings_are_those_of_the_same_parameters(
    root: Path, text: Callable[[], str]
) -> None:
    (cells,) = re.findall(r"over trainings</th>(.*?)</tr>", text())
    assert re.findall(r"<strong>(.*?)</strong> <small>± (.*?)<.*?(\d) seeds", cells) == [
        ("110.0", "10.0", "3")
    ]
    for seed in (0, 1):
        (root / f"reports/ablations/seeds/{seed}.json").unlink()
    assert "over trainings</th>" not in text()


def test_scores_without_an_encoder_have_a_table_and_a_chart(
    root: Path, text: Callable[[], str]
) -> None:
    found = text()
    rows = re.findall(r"(sliced[^<]*|share of power[^<]*|LPIPS between[^<]*)</th>(.*?)</tr>", found)
    assert [title.rpartition(", ")[2] for title, _ in rows[:2]] == ["32 pixels", "16 pixels"]
    assert len(rows) == 4
    for _, cells in rows:
        assert re.findall(r"<strong>(.*?)</strong>.*?real: (.*?)<", cells) == 2 * [
            ("0.125", "0.0625")
        ]
    for name in (FULL, PLAIN):
        edit_json(
            root / f"reports/networks/{name}/inspection.json", lambda each: each.pop("comparison")
        )
    assert "Scores without an encoder" not in text()


def test_spectra_are_relative_to_real_images() -> None:
    fakes, reals = np.array([1.0, 3.0, 0.0, 2.0]), np.array([2.0, 1.0, 1.0, 0.5])
    chart = spectra({"a": (fakes, reals)}, {"a": "red"})
    found = [(row["frequency"], row["value"]) for row in chart["rows"]]
    assert found == [(0.125, 0.5), (0.25, 3.0), (0.5, 4.0)]


def test_an_encoder_without_scores_leaves_a_gap(root: Path, text: Callable[[], str]) -> None:
    set_params(root, {"evaluate.encoders": ["inception"]})
    assert "There are no scores by inception; run" in text()


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
