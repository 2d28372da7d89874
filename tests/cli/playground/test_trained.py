from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pokegan.cli.common import load_generator_at
from pokegan.cli.playground.trained import TrainedNetwork
from pokegan.cli.reconstruct import prepare_image
from pokegan.core.errors import PipelineError
from pokegan.networks.sampling import generate_images, seeded_latents
from tests.cli.conftest import CPU
from tests.models import save_model


@pytest.fixture
def aegan(workspace: Path) -> TrainedNetwork:
    return load(save_model(workspace / "aegan", "aegan"))


def load(folder: Path) -> TrainedNetwork:
    return TrainedNetwork(folder.name, folder, CPU)


def png(pixels: np.ndarray) -> bytes:
    stream = BytesIO()
    Image.fromarray(pixels).save(stream, format="PNG")
    return stream.getvalue()


def test_the_images_are_those_of_pokegan_sample(aegan: TrainedNetwork) -> None:
    z = seeded_latents(5, 8, 3, 0.5)
    generator, _ = load_generator_at(Path(aegan.name), CPU)
    assert (aegan.generate(z) == generate_images(generator, z).numpy()).all()
    assert (aegan.generate(z, step=2) == 128).all()  # plain gray


def test_the_last_snapshot_is_the_trained_network(aegan: TrainedNetwork) -> None:
    assert [tuple(snapshot) for snapshot in aegan.snapshots] == [
        (2, "step 2, epoch 0.5"),
        (None, "step 4, epoch 1"),
    ]


def test_without_snapshots_only_the_trained_network_remains(workspace: Path) -> None:
    folder = save_model(workspace / "model")
    for file in folder.glob("snapshots/*"):
        file.unlink()
    network = load(folder)
    assert [snapshot.step for snapshot in network.snapshots] == [None]
    assert not network.has_encoder
    assert network.generate(seeded_latents(1, 8, 1)).shape == (1, 32, 32, 3)


def test_an_image_is_reconstructed(aegan: TrainedNetwork, drawings: np.ndarray) -> None:
    content = png(drawings[0])
    Path("disc.png").write_bytes(content)
    result = aegan.reconstruct("../disc.png", content, 0.03)
    original = prepare_image(Path("disc.png"), 32, 0.03)
    assert (result.x[0] == original).all()
    assert (result.x_recon == aegan.generate(result.z)).all()
    assert result.image_errors[0] == pytest.approx(
        np.abs(result.x_recon[0] / 255 - original / 255).mean()
    )


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.png", b"no image", ("a.png", "cannot be read as an image")),
        ("empty.png", png(np.full((32, 32, 3), 255, np.uint8)), ("empty.png", "blank")),
    ],
)
def test_files_that_are_not_images_give_one_sentence(
    aegan: TrainedNetwork, name: str, content: bytes, words: tuple[str, ...]
) -> None:
    with pytest.raises(PipelineError) as error:
        aegan.reconstruct(name, content, 0.03)
    for word in words:
        assert word in error.value.message
    assert not error.value.message.startswith("/")


def test_a_network_without_encoder_gives_one_sentence(
    workspace: Path, drawings: np.ndarray
) -> None:
    network = load(save_model(workspace / "dcgan"))
    with pytest.raises(PipelineError, match="no network 'encoder'"):
        network.reconstruct("a.png", png(drawings[0]), 0.03)
