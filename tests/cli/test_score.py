"""The command that scores any two folders."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import ROOT, Stage, assert_one_sentence, run


@pytest.fixture
def folders(workspace: Path, drawings: np.ndarray) -> Path:
    """true (24 pictures), same (24 others), noise (12 of another size and kind)."""
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (12, 40, 50, 3), dtype=np.uint8)
    sets = {"true": drawings[:24], "same": drawings[24:], "noise": noise}
    for name, pictures in sets.items():
        (workspace / name).mkdir()
        for number, picture in enumerate(pictures):
            Image.fromarray(picture).save(workspace / name / f"{number:02}.png")
    return workspace


def test_json_alone_on_standard_output(folders: Path) -> None:
    command = ("python", "-m", "pokegan.cli.score", str(folders / "true"), str(folders / "noise"))
    first, second = (run(*command, cwd=ROOT) for _ in range(2))
    scores = json.loads(first.stdout)
    assert first.stdout == second.stdout
    assert scores["pictures"] == 12
    assert scores["fd_effnet_lite0"] > 2 * scores["fd_effnet_lite0_reals"]
    assert scores["encoders"]["effnet_lite0"].startswith("57934424")
    assert "100%" in first.stderr
    assert not (folders / "mlflow.db").exists()


def test_a_table_for_people(stage: Stage, folders: Path) -> None:
    result = stage("score", "true", "same", "--pictures", "10")
    assert result.exit_code == 0, result.output
    assert "10 pictures a side" in result.stderr
    for name in ("fd_effnet_lite0", "precision_effnet_lite0", "near_duplicates_effnet_lite0"):
        (line,) = [line for line in result.stderr.splitlines() if line.startswith(f"{name} ")]
        assert len(line.split()) == 3


def test_without_a_floor_all_pictures_count(stage: Stage, folders: Path) -> None:
    result = stage("score", "true", "same", "--no-floor")
    scores = json.loads(result.stdout)
    assert scores["pictures"] == 24
    assert not [key for key in scores if key.endswith("_reals")]


def test_too_few_pictures_are_named(stage: Stage, folders: Path) -> None:
    asked = stage("score", "true", "same", "--pictures", "13")
    assert_one_sentence(asked, "--pictures is 13", "24 and 24 pictures", "allows 12", "--no-floor")
    asked = stage("score", "true", "same", "--pictures", "5", "--splits", "8")
    assert_one_sentence(asked, "--splits is 8, but 5 pictures are scored")
    for picture in list((folders / "same").iterdir())[1:]:
        picture.unlink()
    assert_one_sentence(
        stage("score", "true", "same"), "24 and 1 pictures", "at least 4 are needed"
    )


def test_what_is_no_folder_is_named(stage: Stage, folders: Path) -> None:
    assert_one_sentence(stage("score", "true", "nowhere"), "nowhere is no folder")
    assert_one_sentence(
        stage("score", "true", "same", "--encoder", "inception"), "POKEGAN_INCEPTION_WEIGHTS"
    )


def test_one_side_in_jpeg_is_a_warning(stage: Stage, folders: Path) -> None:
    for picture in (folders / "same").iterdir():
        Image.open(picture).save(picture.with_suffix(".jpg"), quality=50)
        picture.unlink()
    result = stage("score", "true", "same")
    assert result.exit_code == 0
    assert "Warning: 0% of the first and 100% of the second folder are JPEG" in result.output
