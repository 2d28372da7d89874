"""What the page is given of a latent space."""

from __future__ import annotations

import base64
import json
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pokegan.core.errors import PipelineError
from pokegan.report.latent_space import pairs, read_latent_space
from tests.cli.test_common import cells

GREEN = "#009E73"
CHANGES = [0, 0.01, 0.02, 0.03, 0.04, 0.06, 0.07, 0.08]


def save_latent_space(folder: Path) -> dict[str, np.ndarray]:
    """What stages.explore might leave of an AEGAN in FOLDER."""
    rng = np.random.default_rng(0)

    def pictures(*count: int) -> np.ndarray:
        """Of one grey each, which compression leaves as it is."""
        greys = rng.integers(0, 256, (*count, 1, 1, 1), np.uint8)
        return np.broadcast_to(greys, (*count, 32, 32, 3))

    kinds = ("picture", "mirrored", "mean", "unrelated", "latent")
    found = {
        "paths": pictures(6, 8),
        "neighbourhoods": pictures(2, 3, 8),
        "degrees": np.array([0, 5, 10, 20, 30, 45, 60, 90]),
        "changes": np.array(CHANGES),
        "between": pictures(4, 8),
        "latent_lengths": np.full(48, 2.0),
        **{f"{kind}_errors": rng.random(48) for kind in kinds},
    }
    for kind, count in (("spaced", 16), ("best", 8), ("worst", 8)):
        found[f"{kind}_originals"], found[f"{kind}_again"] = pictures(count), pictures(count)
        found[f"{kind}_errors"] = rng.random(count)
    np.savez(folder / "latent_space.npz", **found)
    names = ("picture_error", "picture_error_mirrored", "picture_error_of_mean")
    names += ("picture_error_unrelated", "latent_error", "latent_length")
    figures = {"pictures": 48, "trained_on": 12, "mirrored_trained_on": 0}
    figures |= {"nearer_than_mean": 0.125, **dict.fromkeys(names, 0.25)}
    (folder / "reconstruction.json").write_text(json.dumps(figures))
    return found


def decoded(address: str) -> np.ndarray:
    image = Image.open(BytesIO(base64.b64decode(address.partition(",")[2])))
    return np.asarray(image.convert("RGB"))


def test_pictures_stand_in_rows_of_eight(tmp_path: Path) -> None:
    found = save_latent_space(tmp_path)
    told = read_latent_space(tmp_path, GREEN)
    for place, kind in (("paths", "paths"), ("neighbours", "neighbourhoods")):
        shown = cells(decoded(told["ways"][place]), 8, 32)
        true = found[kind].reshape(-1, 32, 32, 3)
        assert np.abs(shown.mean(axis=(1, 2, 3)) - true.mean(axis=(1, 2, 3))).max() < 3
    assert told["ways"]["shares"][10] == pytest.approx(0.25)
    assert told["ways"]["change"] == 0.08
    assert len(told["back"]["pairs"]["spaced"]) == 2
    assert told["back"]["figures"]["nearer"] == 6


def test_a_row_that_is_not_full_ends_in_white() -> None:
    originals, again = np.zeros((2, 11, 32, 32, 3), np.uint8)
    again = again + np.uint8(120)
    full, rest = pairs(originals, again, np.arange(11) / 10)
    assert full["errors"] == pytest.approx(np.arange(8) / 10)
    assert rest["errors"] == pytest.approx([0.8, 0.9, 1.0])
    shown = cells(decoded(rest["picture"]), 8, 32).mean(axis=(1, 2, 3))
    expected = [*[0] * 3, *[255] * 5, *[120] * 3, *[255] * 5]
    assert shown == pytest.approx(expected, abs=4)


def test_lines_are_the_shares_of_errors(tmp_path: Path) -> None:
    found = save_latent_space(tmp_path)
    charts = read_latent_space(tmp_path, GREEN)["charts"]
    pictures, latents = (each["specification"] for each in charts.values())
    (points,) = pictures["datasets"].values()
    of_true = [each for each in points if each["of"] == "true pictures"]
    assert [each["share"] for each in of_true] == pytest.approx(np.linspace(0, 1, 51))
    for each in of_true:
        below = (found["picture_errors"] <= each["value"] + 1e-4).mean()
        assert below == pytest.approx(each["share"], abs=1.1 / 48)
    assert {each["of"] for each in points} == set(
        charts[f"latent-{tmp_path.name}-pictures"]["lines"]
    )
    line = next(each for each in latents["datasets"].values() if len(each) == 51)
    assert line[-1]["value"] == pytest.approx(found["latent_errors"].max() / 2, abs=1e-4)


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    file, figures = tmp_path / "latent_space.npz", tmp_path / "reconstruction.json"
    assert read_latent_space(tmp_path, GREEN)["missing"] == str(file)
    save_latent_space(tmp_path)
    figures.unlink()
    assert read_latent_space(tmp_path, GREEN)["missing"] == str(figures)


def test_networks_without_encoder_or_directions(tmp_path: Path) -> None:
    found = save_latent_space(tmp_path)
    ways = {key: found[key] for key in ("paths", "neighbourhoods", "degrees", "changes")}
    np.savez(tmp_path / "latent_space.npz", **ways)
    (tmp_path / "reconstruction.json").unlink()
    told = read_latent_space(tmp_path, GREEN)
    assert told["ways"]
    assert told["back"] is None
    assert told["charts"] == {}
    np.savez(tmp_path / "latent_space.npz")
    assert read_latent_space(tmp_path, GREEN)["ways"] is None
    # All pictures alike: no share of no change.
    np.savez(tmp_path / "latent_space.npz", **{**ways, "changes": np.zeros(8)})
    assert set(read_latent_space(tmp_path, GREEN)["ways"]["shares"].values()) == {0}


@pytest.mark.parametrize("name", ["latent_space.npz", "reconstruction.json"])
@pytest.mark.parametrize("content", ["", "{]", "{}"])
def test_a_broken_file_is_named(tmp_path: Path, name: str, content: str) -> None:
    save_latent_space(tmp_path)
    (tmp_path / name).write_text(content)
    with pytest.raises(PipelineError, match=f"{name} cannot be read"):
        read_latent_space(tmp_path, GREEN)
