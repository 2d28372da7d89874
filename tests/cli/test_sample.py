from pathlib import Path

import numpy as np
import pytest

from pokegan.cli.folders import list_images, read_images
from tests.cli.conftest import Pokegan, cells, generated
from tests.conftest import assert_one_sentence, succeed
from tests.models import save_model


@pytest.fixture
def model(workspace: Path) -> Path:
    return save_model(workspace / "model")


def sheet(file: str, columns: int) -> np.ndarray:
    return cells(file, columns, 32)


def test_a_sheet_shows_the_images_of_the_generator(pokegan: Pokegan, model: Path) -> None:
    result = succeed(pokegan("sample", "model", "s.png", "--count", "12", "--seed", "3"))
    assert result.stdout == ""
    images = sheet("s.png", 8)
    assert (images[:12] == generated(model, 12, seed=3)).all()
    assert (images[12:] == 255).all()
    assert images[:12].std() > 20
    succeed(pokegan("sample", "model", "again.png", "--count", "12", "--seed", "3"))
    assert Path("again.png").read_bytes() == Path("s.png").read_bytes()
    succeed(pokegan("sample", "model", "few.png", "--count", "3"))
    assert len(sheet("few.png", 3)) == 3
    succeed(pokegan("sample", "model", "tall.png", "--count", "6", "--columns", "2"))
    assert len(sheet("tall.png", 2)) == 6


def test_a_folder_holds_one_file_per_image(pokegan: Pokegan, model: Path) -> None:
    Path("empty").mkdir()
    for folder in ("empty", "new/samples"):
        succeed(pokegan("sample", "model", folder, "--count", "70"))
        files = list_images(Path(folder))
        assert [file.name for file in files] == [f"{number:04}.png" for number in range(70)]
        assert (np.stack(list(read_images(files))) == generated(model, 70)).all()


def test_step_and_truncation_change_the_images(pokegan: Pokegan, model: Path) -> None:
    succeed(pokegan("sample", "model", "early.png", "--step", "2", "--count", "8"))
    assert (sheet("early.png", 8) == 128).all()
    succeed(pokegan("sample", "model", "last.png", "--step", "4", "--count", "8"))
    assert (sheet("last.png", 8) == generated(model, 8)).all()
    succeed(pokegan("sample", "model", "alike.png", "--truncation", "0.01"))
    assert sheet("alike.png", 8).std(axis=0).mean() < 0.1 * generated(model, 64).std(axis=0).mean()


def test_errors_write_nothing(pokegan: Pokegan, model: Path) -> None:
    before = {path.name for path in Path().iterdir()}
    Path("mine").mkdir()
    Path("mine/picture.png").write_bytes(b"mine")
    assert_one_sentence(pokegan("sample", "model", "mine"), "mine is not an empty folder")
    assert Path("mine/picture.png").read_bytes() == b"mine"
    assert_one_sentence(pokegan("sample", "model", "s.jpg"), "s.jpg", ".png")
    assert_one_sentence(pokegan("sample", "models/none", "s.png"), "models/none is not a trained")
    assert_one_sentence(pokegan("sample", "model", "s.png", "--step", "3"), "step 3", "2, 4")
    for option in ("--count", "--truncation"):
        assert pokegan("sample", "model", "s.png", option, "0").exit_code == 2
    (model / "generator.safetensors").write_bytes(b"half")
    for output in ("s.png", "samples"):
        assert_one_sentence(pokegan("sample", "model", output), "generator.safetensors")
    assert {path.name for path in Path().iterdir()} == before | {"mine"}
