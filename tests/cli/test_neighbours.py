"""`pokegan neighbours`."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pokegan.analysis.copies import Index, nearest_relatives, save_index
from pokegan.cli.common import load_generator_at
from pokegan.core.files import save_array
from pokegan.metrics.encoding import encode, load_encoder
from pokegan.networks.sampling import generate_images, seeded_latents
from tests.cli.conftest import Pokegan
from tests.cli.test_common import CPU, cells, save_model
from tests.conftest import assert_one_sentence


@pytest.fixture
def data(workspace: Path, drawings: np.ndarray) -> Path:
    """A training set that holds three of the generated images, with its index; and a model."""
    generator, _ = load_generator_at(save_model(workspace / "model"), CPU)
    copies = generate_images(generator, seeded_latents(3, 8, 1)).numpy()
    images = np.concatenate([drawings[:6], copies])
    save_array(workspace / "data.npy", images)
    encoder = load_encoder("effnet_lite0", CPU)
    features = encode(encoder, images, CPU).features
    index = Index(features, *nearest_relatives(features, np.arange(len(images))))
    save_index(workspace / "data_index.npz", encoder, index)
    return workspace / "data.npy"


def test_a_copied_image_stands_beside_its_copy(pokegan: Pokegan, data: Path) -> None:
    command = ("neighbours", "model", "n.png", "--data", data, "--count", "3", "--scale", "1")
    result = pokegan(*command)
    assert result.exit_code == 0, result.output
    images = cells(np.asarray(Image.open("n.png")), 6, 32, 48)[:, :32].reshape(3, 6, 32, 32, 3)
    assert (images[:, 0] == np.load(data)[6:]).all()
    assert (images[:, 1] == images[:, 0]).all()
    assert (images[:, 2] != images[:, 0]).any(axis=(1, 2, 3)).all()
    content = Path("n.png").read_bytes()
    assert pokegan(*command).exit_code == 0
    assert Path("n.png").read_bytes() == content


def test_the_default_is_the_training_set_of_the_network(pokegan: Pokegan, data: Path) -> None:
    Path("model").rename("dcgan819")
    Path("data").mkdir()
    data.rename("data/pokemon2457.npy")
    Path("data_index.npz").rename("data/pokemon2457_index.npz")
    result = pokegan("neighbours", "dcgan819", "n.png")
    assert result.exit_code == 0, result.output
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
