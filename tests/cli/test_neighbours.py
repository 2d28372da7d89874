from pathlib import Path

import numpy as np
import pytest

from pokegan.core.files import save_array
from tests.cli.conftest import Pokegan, cells, generated
from tests.conftest import assert_one_sentence, succeed
from tests.models import save_model


@pytest.fixture
def data(workspace: Path, drawings: np.ndarray) -> Path:
    """A training set that holds three of the generated images; and a model."""
    copies = generated(save_model(workspace / "model"), 3)
    images = np.concatenate([drawings[:6], copies])
    save_array(workspace / "data.npy", images)
    return workspace / "data.npy"


def test_a_copied_image_stands_beside_its_copy(pokegan: Pokegan, data: Path) -> None:
    command = ("neighbours", "model", "n.png", "--data", data, "--count", "3", "--scale", "1")
    succeed(pokegan(*command))
    images = cells("n.png", 6, 32, 48)[:, :32].reshape(3, 6, 32, 32, 3)
    assert (images[:, 0] == np.load(data)[6:]).all()
    assert (images[:, 1] == images[:, 0]).all()
    assert (images[:, 2] != images[:, 0]).any(axis=(1, 2, 3)).all()
    content = Path("n.png").read_bytes()
    succeed(pokegan(*command))
    assert Path("n.png").read_bytes() == content


def test_the_default_is_the_training_set_of_the_network(pokegan: Pokegan, data: Path) -> None:
    Path("model").rename("dcgan819")
    Path("data").mkdir()
    data.rename("data/pokemon2457.npy")
    succeed(pokegan("neighbours", "dcgan819", "n.png"))
    assert Path("n.png").exists()


def test_missing_and_foreign_files_give_one_sentence(pokegan: Pokegan, data: Path) -> None:
    save_array(Path("other.npy"), np.zeros((4, 64, 64, 3), np.uint8))
    assert_one_sentence(pokegan("neighbours", "model", "n.png", "--data", "none.npy"), "none.npy")
    assert_one_sentence(
        pokegan("neighbours", "model", "n.png", "--data", "other.npy"), "other.npy", "64"
    )
    assert_one_sentence(pokegan("neighbours", "model", "n.png"), "model", "--data")
    assert not Path("n.png").exists()
