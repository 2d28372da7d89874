"""`pokegan sample`."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pokegan.cli.common import load_generator_at
from pokegan.cli.folders import list_images, read_images
from pokegan.networks.sampling import generate_images, seeded_latents
from tests.cli.conftest import Pokegan
from tests.cli.test_common import CPU, cells, save_model
from tests.conftest import assert_one_sentence


@pytest.fixture
def model(workspace: Path) -> Path:
    return save_model(workspace / "model")


def generated(model: Path, count: int, seed: int = 1) -> np.ndarray:
    generator, _ = load_generator_at(model, CPU)
    return generate_images(generator, seeded_latents(count, 8, seed)).numpy()


def sheet(file: str, columns: int) -> np.ndarray:
    return cells(np.asarray(Image.open(file)), columns, 32)


def test_a_sheet_shows_the_images_of_the_generator(pokegan: Pokegan, model: Path) -> None:
    result = pokegan("sample", "model", "s.png", "--count", "12", "--seed", "3")
    assert result.exit_code == 0, result.output
    assert result.stdout == ""
    images = sheet("s.png", 8)
    assert (images[:12] == generated(model, 12, seed=3)).all()
    assert (images[12:] == 255).all()
    assert images[:12].std() > 20
    assert pokegan("sample", "model", "again.png", "--count", "12", "--seed", "3").exit_code == 0
    assert Path("again.png").read_bytes() == Path("s.png").read_bytes()
    assert pokegan("sample", "model", "few.png", "--count", "3").exit_code == 0
    assert len(sheet("few.png", 3)) == 3
    assert pokegan("sample", "model", "tall.png", "--count", "6", "--columns", "2").exit_code == 0
    assert len(sheet("tall.png", 2)) == 6


def test_a_folder_holds_one_file_per_image(pokegan: Pokegan, model: Path) -> None:
    Path("empty").mkdir()
    for folder in ("empty", "new/samples"):
        result = pokegan("sample", "model", folder, "--count", "70")
        assert result.exit_code == 0, result.output
        files, others = list_images(Path(folder))
        assert [file.name for file in files] == [f"{number:04}.png" for number in range(70)]
        assert others == 0
        assert (np.stack(list(read_images(files))) == generated(model, 70)).all()


def test_step_and_truncation_change_the_images(pokegan: Pokegan, model: Path) -> None:
    assert pokegan("sample", "model", "early.png", "--step", "2", "--count", "8").exit_code == 0
    assert (sheet("early.png", 8) == 128).all()
    assert pokegan("sample", "model", "last.png", "--step", "4", "--count", "8").exit_code == 0
    assert (sheet("last.png", 8) == generated(model, 8)).all()
    assert pokegan("sample", "model", "alike.png", "--truncation", "0.01").exit_code == 0
    assert sheet("alike.png", 8).std(axis=0).mean() < 0.1 * generated(model, 64).std(axis=0).mean()


def test_errors_write_nothing(pokegan: Pokegan, model: Path) -> None:
    before = {path.name for path in Path().iterdir()}
    Path("mine").mkdir()
    Path("mine/picture.png").write_bytes(b"mine")
    assert_one_sentence(pokegan("sample", "model", "mine"), "mine is not an empty folder")
    assert Path("mine/picture.png").read_bytes() == b"mine"
    assert_one_sentence(pokegan("sample", "model", "s.jpg"), "s.jpg", "an image (.png)")
    assert_one_sentence(pokegan("sample", "models/none", "s.png"), "models/none is not a trained")
    assert_one_sentence(pokegan("sample", "model", "s.png", "--step", "3"), "step 3", "2, 4")
    for option in ("--count", "--truncation"):
        assert pokegan("sample", "model", "s.png", option, "0").exit_code == 2
    (model / "generator.safetensors").write_bytes(b"half")
    for output in ("s.png", "samples"):
        assert_one_sentence(pokegan("sample", "model", output), "generator.safetensors")
    assert {path.name for path in Path().iterdir()} == before | {"mine"}
