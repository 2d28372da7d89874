from pathlib import Path

import numpy as np
import pytest

from pokegan.analysis.copies import Index, nearest_relatives, save_index
from pokegan.core.files import save_array
from pokegan.metrics.encoding import encode, load_encoder
from tests.cli.conftest import CPU, Pokegan, cells, generated
from tests.conftest import assert_one_sentence, succeed
from tests.models import save_model


@pytest.fixture
def data(workspace: Path, drawings: np.ndarray) -> Path:
    """A training set that holds three of the generated images, with its index; and a model."""
    copies = generated(save_model(workspace / "model"), 3)
    images = np.concatenate([drawings[:6], copies])
    save_array(workspace / "data.npy", images)
    encoder = load_encoder("effnet_lite0", CPU)
    features = encode(encoder, images, CPU).features
    index = Index(features, *nearest_relatives(features, np.arange(len(images))))
    save_index(workspace / "data_index.npz", encoder, index)
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
    Path("data_index.npz").rename("data/pokemon2457_index.npz")
    succeed(pokegan("neighbours", "dcgan819", "n.png"))
    assert Path("n.png").exists()


def test_missing_and_foreign_files_give_one_sentence(pokegan: Pokegan, data: Path) -> None:
    save_array(Path("other.npy"), np.zeros((4, 64, 64, 3), np.uint8))
    assert_one_sentence(pokegan("neighbours", "model", "n.png", "--data", "none.npy"), "none.npy")
    assert_one_sentence(
        pokegan("neighbours", "model", "n.png", "--data", "other.npy"), "other.npy", "64"
    )
    assert_one_sentence(pokegan("neighbours", "model", "n.png"), "model", "--data")
    Path("data_index.npz").unlink()
    assert_one_sentence(
        pokegan("neighbours", "model", "n.png", "--data", data), "data_index.npz", "repro"
    )
    assert not Path("n.png").exists()
