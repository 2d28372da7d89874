import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result

from tests.conftest import assert_one_sentence, succeed
from tests.report.fixtures import decode


@pytest.fixture
def ablations(root: Path, call: Callable[[], Result]) -> Callable[[], str]:
    """Return the page of ablations, with single spaces."""

    def read() -> str:
        succeed(call())
        return " ".join((root / "reports/ablations.html").read_text(encoding="utf-8").split())

    return read


def test_rows_are_compared_with_their_baseline(ablations: Callable[[], str]) -> None:
    found = ablations()
    rows = {
        title: re.findall(r"<td[^>]*>(.*?)</td>", cells)
        for title, cells in re.findall(r'<th scope="row">(.*?)</th>(.*?)</tr>', found)
    }
    assert rows["the default"][:6] == ["3", "1,200", "1.5", "110.0 ± 10.0", "–", "40.0"]
    assert rows["wider"][:6] == ["1", "1,200", "1.5", "60.0", "<strong>-5.0</strong>", "40.0"]
    assert rows["wider"][-1] == "0.25"
    assert "not trained" not in rows
    # t distribution with two degrees of freedom: 4.303 · √(1 + 1/3).
    assert "(±5.0 for base)" in found
    assert "It helps." in found
    assert "dvc exp run --temp --name ablations-wide-4 -S seed=4 evaluate@" in found
    pictures = re.findall(r'src="(data:image/webp[^"]*)"', found)
    assert [decode(each).shape for each in pictures] == 2 * [(8, 16, 3)]
    assert np.abs(decode(pictures[0]).astype(int) - [255, 0, 0]).max() < 5


def test_the_report_links_to_the_page(rendered: Path) -> None:
    assert '<a href="ablations.html">' in (rendered / "reports/index.html").read_text()
    assert '<a href="index.html">' in (rendered / "reports/ablations.html").read_text()


def test_without_results_the_page_names_the_command(
    root: Path, ablations: Callable[[], str]
) -> None:
    shutil.rmtree(root / "reports/ablations/ablations")
    assert "There are no results; run <code>pokegan ablation studies/ablations.yaml" in ablations()


def test_a_result_that_lacks_a_value_is_named(root: Path, call: Callable[[], Result]) -> None:
    (root / "reports/ablations/ablations/wide-4.json").write_text("{}")
    assert_one_sentence(call(), "wide-*.json cannot be read")
