"""What the page asks a trained network for."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pokegan.cli.common import load_drawing_generator
from pokegan.cli.playground.trained import Trained
from pokegan.cli.reconstruct import prepared
from pokegan.core.errors import PipelineError
from pokegan.networks.sampling import generate_images, seeded_latents
from tests.cli.test_common import CPU, save_model


@pytest.fixture
def aegan(workspace: Path) -> Trained:
    return load(save_model(workspace / "aegan", "aegan"))


def load(folder: Path) -> Trained:
    return Trained(folder.name, folder, CPU)


def png(pixels: np.ndarray) -> bytes:
    stream = BytesIO()
    Image.fromarray(pixels).save(stream, format="PNG")
    return stream.getvalue()


def test_the_same_pictures_as_the_command_draws(aegan: Trained) -> None:
    z = aegan.latents(5, seed=3, truncation=0.5)
    assert torch.equal(z, seeded_latents(5, 8, 3, 0.5))
    generator, _ = load_drawing_generator(Path(aegan.name), CPU)
    assert (aegan.draw(z) == generate_images(generator, z).numpy()).all()
    assert (aegan.draw(z, step=2) == 128).all()  # the snapshot draws plain grey


def test_the_last_moment_is_the_trained_network(aegan: Trained) -> None:
    assert [tuple(moment) for moment in aegan.moments] == [
        (2, "step 2, epoch 0.5"),
        (None, "step 4, epoch 1"),
    ]


def test_without_snapshots_there_is_the_trained_network(workspace: Path) -> None:
    folder = save_model(workspace / "model")
    for file in folder.glob("snapshots/*"):
        file.unlink()
    network = load(folder)
    assert [moment.step for moment in network.moments] == [None]
    assert not network.encodes
    assert network.draw(network.latents(1, 1)).shape == (1, 32, 32, 3)


def test_the_strongest_direction_changes_more_than_the_weakest(aegan: Trained) -> None:
    z = aegan.latents(16, 1)
    still = aegan.draw(z).astype(float)
    changes = [
        np.abs(aegan.draw(z + 2 * aegan.directions[which]) - still).mean() for which in (0, -1)
    ]
    assert changes[0] > changes[1]
    assert sum(aegan.shares) == pytest.approx(1)


def test_the_way_leads_from_one_latent_to_the_other(aegan: Trained) -> None:
    first, second = aegan.latents(1, 1), aegan.latents(1, 2)
    torch.testing.assert_close(aegan.between(first, second, 0), first)
    torch.testing.assert_close(aegan.between(first, second, 1), second)
    there = aegan.between(first, second, 0.5)
    assert there.shape == (1, 8)
    assert there.norm() == pytest.approx(float(first.norm() + second.norm()) / 2, rel=1e-5)


def test_a_picture_is_drawn_again(aegan: Trained, drawings: np.ndarray) -> None:
    content = png(drawings[0])
    Path("disc.png").write_bytes(content)
    result = aegan.reconstruct("../disc.png", content, 0.03)
    original = prepared(Path("disc.png"), 32, 0.03)
    assert (result.originals[0] == original).all()
    assert (result.again == aegan.draw(result.z)).all()
    assert result.picture_errors[0] == pytest.approx(
        np.abs(result.again[0] / 255 - original / 255).mean()
    )


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.png", b"no picture", ("a.png", "cannot be read as a picture")),
        ("empty.png", png(np.full((32, 32, 3), 255, np.uint8)), ("empty.png", "next to nothing")),
        ("", b"", ("picture", "cannot be read")),
    ],
)
def test_what_is_no_picture_is_one_sentence(
    aegan: Trained, name: str, content: bytes, words: tuple[str, ...]
) -> None:
    with pytest.raises(PipelineError) as fault:
        aegan.reconstruct(name, content, 0.03)
    for word in words:
        assert word in fault.value.message
    assert not fault.value.message.startswith("/")


def test_no_encoder_is_one_sentence(workspace: Path, drawings: np.ndarray) -> None:
    network = load(save_model(workspace / "dcgan"))
    with pytest.raises(PipelineError, match="no network 'encoder'"):
        network.reconstruct("a.png", png(drawings[0]), 0.03)
