from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pokegan.core.files import load_arrays, read_json
from pokegan.report.inspections import latent_space, nearest_images, pairs, reconstructions
from tests.report.fixtures import FULL, colors, decode, edit_json, page

GREEN = "#009E73"


@pytest.fixture
def inspection(rendered: Path) -> dict[str, Any]:
    folder = rendered / f"reports/networks/{FULL}"
    return load_arrays(folder / "inspection.npz") | read_json(folder / "inspection.json")


def assert_shows(address: str, images: np.ndarray, height: int = 32) -> None:
    """Check that a data URI shows images (…, R, R, 3) of one color each."""
    expected = images[..., 0, 0, :].reshape(-1, 3)
    assert np.abs(colors(decode(address), height) - expected).max() < 12


def test_each_row_begins_with_the_generated_image(inspection: dict[str, Any]) -> None:
    part = nearest_images(inspection, GREEN)
    generated, neighbors = inspection["copies_generated"], inspection["copies_neighbours"]
    assert_shows(part["sheet"], np.concatenate([generated[:, None], neighbors], 1), height=48)
    last = {row["name"]: row["value"] for row in part["chart"]["rows"] if row["share"] == 1}
    # An image that is the only one of its species has no distance to its own.
    assert list(last.values()) == [9.0, 8.0, 2.0]
    assert part["chart"]["color"] == GREEN


def test_a_data_set_of_one_species_has_no_threshold_for_copies(
    root: Path, text: Callable[[], str]
) -> None:
    file = root / f"reports/networks/{FULL}/inspection.json"
    edit_json(file, lambda v: v.update(copies={"nearest_median": 8.0}))
    found = text()
    assert "all training images are of one species" in found
    assert "Median distances: generated 8.00." in found


def test_interpolations_and_rotations_stand_in_rows_of_eight(inspection: dict[str, Any]) -> None:
    part = latent_space(inspection)
    assert part is not None
    assert_shows(part["paths"], inspection["latent_paths"])
    assert_shows(part["neighborhoods"], inspection["latent_neighbourhoods"])
    assert part["shares"][10] == pytest.approx(0.25)
    assert part["change"] == 0.08
    collapsed = latent_space(inspection | {"latent_changes": np.zeros(8)})
    assert collapsed is not None
    assert set(collapsed["shares"].values()) == {0}


def test_a_latent_of_one_dimension_has_no_rotations(root: Path, text: Callable[[], str]) -> None:
    file = root / f"reports/networks/{FULL}/inspection.npz"
    arrays = load_arrays(file).items()
    np.savez(file, **{key: value for key, value in arrays if not key.startswith("latent_")})
    assert "The latent has one dimension and cannot be rotated." in text()


def test_reconstructions_stand_below_their_originals() -> None:
    originals = np.full((11, 32, 32, 3), 250, np.uint8)
    sheet = decode(pairs(originals, originals - np.uint8(130), np.arange(11) / 10))
    height = (sheet.shape[0] - 2) // 2
    for row, count in ((0, 8), (1, 3)):
        top = sheet[18 + row * height, 18::34].mean(axis=1)
        bottom = sheet[50 + row * height, 18::34].mean(axis=1)
        assert top[:count] == pytest.approx(250, abs=4)
        assert bottom[:count] == pytest.approx(120, abs=4)
        assert bottom[count:] == pytest.approx(255, abs=4)


def test_error_curves_are_the_distributions_of_errors(inspection: dict[str, Any]) -> None:
    part = reconstructions(inspection, GREEN)
    rows = part["image_errors"]["rows"]
    assert {row["name"] for row in rows} == set(part["lines"])
    for row in rows[:51]:
        below = (inspection["recon_picture_errors"] <= row["value"] + 1e-4).mean()
        assert below == pytest.approx(row["share"], abs=1.1 / 48)
    last = part["latent_errors"]["rows"][-1]["value"]
    assert last == pytest.approx(inspection["recon_latent_errors"].max() / 2, abs=1e-4)


def test_the_page_states_distances_changes_and_errors(rendered: Path) -> None:
    text = page(rendered)
    for words in (
        "<strong>12.5 %</strong> are closer to a training image",
        "generated 8.00, to another species 7.00, to the own species 1.50.",
        f"{FULL}: reconstructions",
        "<strong>6 of 48</strong> reconstructions have a smaller error",
        "contains 12 of these images and 0 of their mirror images",
        "at 90°: 0.080 (black to white is 1); at 10°: 25 % of it; at 30°: 50 % of it.",
    ):
        assert words in text, words
