"""The page's part on copies: what it reads, and what it draws of it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from pokegan.core.errors import PipelineError
from pokegan.report.copies import read_copies, sheet
from tests.report.stories import save_copies

COLOURS = {"aegan": "#009E73"}


@pytest.fixture
def folder(tmp_path: Path, drawings: np.ndarray) -> Path:
    save_copies(tmp_path / "aegan", drawings)
    return tmp_path / "aegan"


def test_a_matching_is_read(folder: Path) -> None:
    told = read_copies([folder], COLOURS)
    network = told["networks"]["aegan"]
    assert network["encoder"] == "EfficientNet-Lite0"
    assert network["figures"] == json.loads((folder / "copies.json").read_text())
    assert network["neighbours"] == 3
    assert network["sheet"].startswith("data:image/webp;base64,")
    (place,) = told["charts"]
    assert place == network["place"] == "copies-aegan"
    (rows,) = told["charts"][place]["specification"]["datasets"].values()
    ends = {row["of"]: row["value"] for row in rows if row["share"] == 1}
    # The picture that is the only one of its species is not drawn.
    assert list(ends.values()) == [9.0, 8.0, 2.0]
    assert list(ends) == ["aegan", "true, to another species", "true, to the same species"]
    assert COLOURS["aegan"] in json.dumps(told["charts"][place]["specification"]["layer"])


def test_each_row_begins_with_the_generated_picture(drawings: np.ndarray) -> None:
    arrays = {
        "drawn": drawings[:2],
        "neighbours": drawings[2:8].reshape(2, 3, 32, 32, 3),
        "neighbour_distances": np.arange(6.0).reshape(2, 3),
    }
    pixels = sheet(arrays)
    height, width = (pixels.shape[0] - 2) // 2, (pixels.shape[1] - 2) // 4
    assert (pixels[2:34, 2:34] == drawings[0]).all()
    below = pixels[2 + height : 34 + height]
    assert (below[:, 2:34] == drawings[1]).all()
    assert (below[:, 2 + 3 * width : 34 + 3 * width] == drawings[7]).all()
    # Below each a line of letters.
    assert (pixels[34 : 2 + height] < 128).any()


@pytest.mark.parametrize("kind", ["json", "npz"])
def test_what_is_missing_is_a_gap_and_what_is_broken_an_error(folder: Path, kind: str) -> None:
    file = folder / f"copies.{kind}"
    file.write_text("{]")
    with pytest.raises(PipelineError, match=r"copies\.\* cannot be read"):
        read_copies([folder], COLOURS)
    file.unlink()
    told = read_copies([folder], COLOURS)
    assert told["networks"] == {"aegan": {"missing": str(file)}}
    assert told["charts"] == {}
