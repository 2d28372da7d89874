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
    first, second = (pokegan("score", "real", "noise") for _ in range(2))
    assert first.exit_code == 0, first.output
    scores = json.loads(first.stdout)
    assert first.stdout == second.stdout
    assert scores["pictures"] == 12
    assert scores["fd_effnet_lite0"] > 2 * scores["fd_effnet_lite0_reals"]
    assert scores["encoders"]["effnet_lite0"].startswith("57934424")
    assert "12 images per side" in first.stderr
    for name in ("fd_effnet_lite0", "precision_effnet_lite0", "near_duplicates_effnet_lite0"):
        (line,) = [line for line in first.stderr.splitlines() if line.startswith(f"{name} ")]
        assert len(line.split()) == 3
    assert not (folders / "mlflow.db").exists()


def test_without_real_vs_real_all_images_are_compared(pokegan: Pokegan, folders: Path) -> None:
    scores = json.loads(pokegan("score", "real", "same", "--no-real-vs-real").stdout)
    assert scores["pictures"] == 24
    assert not [key for key in scores if key.endswith("_reals")]


def test_too_few_images_are_an_error(pokegan: Pokegan, folders: Path) -> None:
    result = pokegan("score", "real", "same", "--pictures", 13)
    hint = "--no-real-vs-real"
    assert_one_sentence(result, "--pictures is 13", "24 and 24 images", "allows 12", hint)
    result = pokegan("score", "real", "same", "--pictures", 6, "--splits", 8)
    assert_one_sentence(result, "--splits is 8, but 6 images are scored")
    for image in list((folders / "same").iterdir())[1:]:
        image.unlink()
    result = pokegan("score", "real", "same")
    assert_one_sentence(result, "24 and 1 images", "at least 6 are needed")


def test_missing_folders_and_weights_are_errors(pokegan: Pokegan, folders: Path) -> None:
    assert_one_sentence(pokegan("score", "real", "nowhere"), "nowhere is not a folder")
    result = pokegan("score", "real", "same", "--encoder", "inception")
    assert_one_sentence(result, "POKEGAN_INCEPTION_WEIGHTS")
