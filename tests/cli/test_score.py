import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.cli.conftest import Pokegan
from tests.conftest import assert_one_sentence


@pytest.fixture
def folders(workspace: Path, drawings: np.ndarray) -> Path:
    """Folders real (24 images), same (24 others), noise (12 of another size)."""
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (12, 40, 50, 3), dtype=np.uint8)
    sets = {"real": drawings[:24], "same": drawings[24:], "noise": noise}
    for name, images in sets.items():
        (workspace / name).mkdir()
        for number, image in enumerate(images):
            Image.fromarray(image).save(workspace / name / f"{number:02}.png")
    return workspace


def test_json_on_standard_output_and_a_table_on_standard_error(
    pokegan: Pokegan, folders: Path
) -> None:
    first, second = (pokegan("score", "real", "noise", "--real-vs-real") for _ in range(2))
    assert first.exit_code == 0, first.output
    scores = json.loads(first.stdout)
    assert first.stdout == second.stdout
    assert (scores["real_pictures"], scores["fake_pictures"]) == (24, 12)
    assert scores["real_vs_real_pictures"] == 12
    assert scores["fd_effnet_lite0"] > 2 * scores["fd_effnet_lite0_reals"]
    assert scores["encoders"]["effnet_lite0"].startswith("57934424")
    assert "12 vs 24        12 vs 12" in first.stderr
    for name in ("fd_effnet_lite0", "precision_effnet_lite0", "near_duplicates_effnet_lite0"):
        (line,) = [line for line in first.stderr.splitlines() if line.startswith(f"{name} ")]
        assert len(line.split()) == 3
    assert not (folders / "mlflow.db").exists()


def test_a_folder_has_no_distance_from_itself(pokegan: Pokegan, folders: Path) -> None:
    result = pokegan("score", "real", "real")
    scores = json.loads(result.stdout)
    assert scores["fd_effnet_lite0"] == 0
    assert scores["precision_effnet_lite0"] == scores["recall_effnet_lite0"] == 1
    assert not [key for key in scores if key.endswith("_reals")]
    assert "Warning" not in result.stderr
    assert "24 vs 24" in result.stderr


def test_other_sizes_and_formats_are_a_warning(pokegan: Pokegan, folders: Path) -> None:
    result = pokegan("score", "real", "noise")
    assert "REAL holds PNG of 32×32 pixels, FAKE PNG of 50×40 pixels" in result.stderr
    assert "resized (to 224×224 for effnet_lite0)" in result.stderr
    for file in (folders / "same").iterdir():
        Image.open(file).save(file.with_suffix(".jpg"), quality=50)
        file.unlink()
    assert "FAKE JPEG of 32×32 pixels" in pokegan("score", "real", "same").stderr


def test_too_few_images_are_an_error(pokegan: Pokegan, folders: Path) -> None:
    result = pokegan("score", "real", "noise", "--pictures", 13)
    assert_one_sentence(result, "--pictures is 13, but noise has 12 images")
    result = pokegan("score", "real", "same", "--pictures", 6, "--splits", 8)
    assert_one_sentence(result, "--splits is 8, but 6 images are scored")
    result = pokegan("score", "real", "same", "--pictures", 6, "--real-vs-real")
    assert_one_sentence(result, "--real-vs-real needs at least 12 images of real, but there are 6")
    for image in list((folders / "same").iterdir())[1:]:
        image.unlink()
    assert_one_sentence(pokegan("score", "real", "same"), "same has 1 images; at least 6")


def test_missing_folders_and_weights_are_errors(pokegan: Pokegan, folders: Path) -> None:
    assert_one_sentence(pokegan("score", "real", "nowhere"), "nowhere is not a folder")
    result = pokegan("score", "real", "same", "--encoder", "inception")
    assert_one_sentence(result, "POKEGAN_INCEPTION_WEIGHTS")
