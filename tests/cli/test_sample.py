"""The command that draws samples."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pokegan.cli.common import load_drawing_generator
from pokegan.cli.folders import list_pictures, read_pictures
from pokegan.networks.sampling import generate_images, seeded_latents
from tests.cli.test_common import cells, save_model
from tests.conftest import Stage, assert_one_sentence


@pytest.fixture
def model(workspace: Path) -> Path:
    return save_model(workspace / "model")


def drawn(model: Path, count: int, seed: int = 1) -> np.ndarray:
    generator, _ = load_drawing_generator(model, torch.device("cpu"))
    return generate_images(generator, seeded_latents(count, 8, seed)).numpy()


def sheet(file: str, columns: int) -> np.ndarray:
    return cells(np.asarray(Image.open(file)), columns, 32)


def test_a_sheet_shows_what_the_generator_draws(stage: Stage, model: Path) -> None:
    said = stage("sample", "model", "s.png", "--count", "12", "--seed", "3")
    assert said.exit_code == 0, said.output
    assert said.stdout == ""
    pictures = sheet("s.png", 8)
    assert (pictures[:12] == drawn(model, 12, seed=3)).all()
    assert (pictures[12:] == 255).all()
    assert pictures[:12].std() > 20
    assert stage("sample", "model", "few.png", "--count", "3").exit_code == 0
    assert len(sheet("few.png", 3)) == 3
    assert stage("sample", "model", "tall.png", "--count", "6", "--columns", "2").exit_code == 0
    assert len(sheet("tall.png", 2)) == 6


def test_the_same_command_writes_the_same_bytes(stage: Stage, model: Path) -> None:
    files = []
    for name, *more in [("a",), ("b",), ("c", "--seed", "2"), ("d", "--truncation", "0.5")]:
        assert stage("sample", "model", f"{name}.png", *more).exit_code == 0
        files.append(Path(f"{name}.png").read_bytes())
    assert files[0] == files[1]
    assert len(set(files)) == 3


def test_a_folder_of_single_files_as_the_scores_read_them(stage: Stage, model: Path) -> None:
    Path("empty").mkdir()
    for folder in ("empty", "new/samples"):
        said = stage("sample", "model", folder, "--count", "70")
        assert said.exit_code == 0, said.output
        files, others = list_pictures(Path(folder))
        assert [file.name for file in files] == [f"{number:04}.png" for number in range(70)]
        assert others == 0
        assert (np.stack(list(read_pictures(files))) == drawn(model, 70)).all()


def test_an_earlier_step_and_truncation_are_what_is_drawn(stage: Stage, model: Path) -> None:
    assert stage("sample", "model", "early.png", "--step", "2", "--count", "8").exit_code == 0
    assert (sheet("early.png", 8) == 128).all()
    assert stage("sample", "model", "last.png", "--step", "4", "--count", "8").exit_code == 0
    assert (sheet("last.png", 8) == drawn(model, 8)).all()
    assert stage("sample", "model", "alike.png", "--truncation", "0.01").exit_code == 0
    assert sheet("alike.png", 8).std(axis=0).mean() < 0.1 * drawn(model, 64).std(axis=0).mean()


def test_faults_leave_everything_as_it_was(stage: Stage, model: Path) -> None:
    Path("mine").mkdir()
    Path("mine/picture.png").write_bytes(b"mine")
    assert_one_sentence(stage("sample", "model", "mine"), "mine is a folder that is not empty")
    assert Path("mine/picture.png").read_bytes() == b"mine"
    assert_one_sentence(stage("sample", "model", "s.jpg"), "s.jpg", "a sheet (.png)")
    assert_one_sentence(stage("sample", "models/none", "s.png"), "models/none is no trained model")
    assert_one_sentence(stage("sample", "model", "s.png", "--step", "3"), "step 3", "2 and 4")
    assert stage("sample", "model", "s.png", "--count", "0").exit_code == 2
    assert stage("sample", "model", "s.png", "--truncation", "0").exit_code == 2
    (model / "generator.safetensors").write_bytes(b"half")
    for output in ("s.png", "samples"):
        assert_one_sentence(stage("sample", "model", output), "generator.safetensors", "cannot be")
    assert {path.name for path in Path().iterdir()} == {"mine", "model", "params.yaml"}
