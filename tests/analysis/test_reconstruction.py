"""Reconstructions, also by networks that invert each other exactly."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pokegan.analysis.reconstruction import (
    count_known,
    encode_images,
    inspect_reconstructions,
    reconstruct,
)
from pokegan.compute.randomness import Streams
from pokegan.networks.factory import build_network
from pokegan.networks.sampling import from_uint8, generate_images

SHAPE = {"latent_dim": 8, "width": 4, "resolution": 32}


@pytest.fixture
def networks() -> tuple[nn.Module, nn.Module]:
    """An untrained generator and encoder."""
    kinds = {"generator": "Generator", "encoder": "Encoder"}
    generator, encoder = (
        build_network({"kind": kind, **SHAPE}, Streams(1), name).eval()
        for name, kind in kinds.items()
    )
    return generator, encoder


def test_images_are_encoded_in_batches(
    networks: tuple[nn.Module, nn.Module], drawings: np.ndarray
) -> None:
    encoder, images = networks[1], np.concatenate([drawings, drawings])
    z = encode_images(encoder, images)
    assert z.shape == (96, 8)
    with torch.no_grad():
        torch.testing.assert_close(z, encoder(from_uint8(torch.from_numpy(images))))


def test_a_reconstruction_and_its_errors(
    networks: tuple[nn.Module, nn.Module], drawings: np.ndarray
) -> None:
    generator, encoder = networks
    z, x, x_recon, image_errors, latent_errors = reconstruct(generator, encoder, drawings)
    assert x is drawings
    torch.testing.assert_close(z, encode_images(encoder, drawings))
    assert (x_recon == generate_images(generator, z).numpy()).all()
    expected = np.abs(x_recon / 255 - drawings / 255).mean(axis=(1, 2, 3))
    np.testing.assert_allclose(image_errors, expected)
    torch.testing.assert_close(latent_errors, (encode_images(encoder, x_recon) - z).norm(dim=1))


class Reshape(nn.Module):
    """A generator whose latents are its images, or the encoder that inverts it."""

    def __init__(self, invert: bool) -> None:
        super().__init__()
        self.unused = nn.Parameter(torch.zeros(1))
        self._invert = invert

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1) if self._invert else x.unflatten(1, (3, 32, 32))


def test_networks_that_invert_each_other_have_no_error(drawings: np.ndarray) -> None:
    z = torch.rand(48, 3 * 32 * 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    networks = Reshape(invert=False), Reshape(invert=True)
    arrays, figures = inspect_reconstructions(*networks, drawings, z)
    for name in ("picture_error", "picture_error_greatest", "picture_error_mirrored"):
        assert figures[name] == 0
    assert figures["nearer_than_mean"] == 1
    assert (arrays["worst_reconstructions"] == arrays["worst_originals"]).all()
    # Rounding to steps of 2/255 is uniform within half a step: standard deviation step / √12.
    rounding = (z.shape[1] ** 0.5) * 2 / 255 / 12**0.5
    assert figures["latent_error"] == pytest.approx(rounding, rel=0.02)


@pytest.mark.parametrize("count", [2, 9])
def test_a_few_images_are_enough(
    networks: tuple[nn.Module, nn.Module], drawings: np.ndarray, count: int
) -> None:
    arrays, _ = inspect_reconstructions(*networks, drawings[:count], torch.randn(count, 8))
    assert len(arrays["spaced_errors"]) == count
    assert len(arrays["worst_errors"]) == min(8, count)


def test_training_images_and_their_mirror_images_are_counted(drawings: np.ndarray) -> None:
    training = np.concatenate([drawings[:5], drawings[8:10, :, ::-1]])
    assert count_known(drawings[3:10], training) == {
        "pictures": 7,
        "trained_on": 2,
        "mirrored_trained_on": 2,
    }
