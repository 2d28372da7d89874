"""Scores of other encoders, and of networks with different protocols."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from tests.conftest import set_params
from tests.report.fixtures import FULL, LITE, PLAIN, SCORES, edit_json, page, save_scores


def test_each_network_has_its_own_number_of_images(root: Path, call: Callable[[], Result]) -> None:
    file = root / f"reports/networks/{PLAIN}/scores/{LITE}.json"
    edit_json(file, lambda values: values.update(pictures=17))
    assert call().exit_code == 0
    (cells,) = re.findall(r"images per side</th>(.*?)</tr>", page(root))
    assert re.findall(r"\d+", cells) == ["24", "17"]


@pytest.mark.parametrize("encoders", [["dinov2"], ["inception", LITE]])
def test_scores_have_the_names_of_their_encoder(
    root: Path, call: Callable[[], Result], encoders: list[str]
) -> None:
    """DINOv2 has no classes; only scores of the Inception network are FID, KID and IS."""
    for encoder in encoders:
        scores = tuple(score for score in SCORES if encoder != "dinov2" or score != "cs")
        save_scores(root / f"reports/networks/{FULL}/scores", encoder, scores)
    set_params(root, {"evaluate.encoders": encoders})
    result = call()
    assert result.exit_code == 0, result.output
    titles = re.findall(r'<th scope="row">([^<]*)</th>', page(root))
    assert ("FID" in titles) == ("inception" in encoders)
    assert ("classifier score" in titles) == (LITE in encoders)


def test_an_encoder_without_scores_leaves_a_gap(root: Path, call: Callable[[], Result]) -> None:
    set_params(root, {"evaluate.encoders": ["inception"]})
    assert call().exit_code == 0
    assert "There are no scores by inception; run" in page(root)
