import numpy as np
import pytest
import torch
from torch import nn

from pokegan.analysis.reconstruction import (
    count_known,
    encode_images,
    measure_reconstructions,
    reconstruct,
)
from pokegan.networks.sampling import from_uint8, generate_images
from tests.analysis.conftest import untrained

Networks = tuple[nn.Module, nn.Module]


@pytest.fixture
def networks() -> Networks:
    return untrained("generator"), untrained("encoder")


def mean_error(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return np.abs(first / 255 - second / 255).mean(axis=(1, 2, 3))


def test_images_are_encoded_in_batches(networks: Networks, drawings: np.ndarray) -> None:
    encoder, images = networks[1], np.concatenate([drawings, drawings])
    z = encode_images(encoder, images)
    assert z.shape == (96, 8)
    with torch.no_grad():
        torch.testing.assert_close(z, encoder(from_uint8(torch.from_numpy(images))))


def test_a_reconstruction_and_its_errors(networks: Networks, drawings: np.ndarray) -> None:
    z, x, x_recon, image_errors, latent_errors = reconstruct(*networks, drawings)
    assert x is drawings
    torch.testing.assert_close(z, encode_images(networks[1], drawings))
    assert (x_recon == generate_images(networks[0], z).numpy()).all()
    np.testing.assert_allclose(image_errors, mean_error(x_recon, drawings))
    z_recon = encode_images(networks[1], x_recon)
    torch.testing.assert_close(latent_errors, (z_recon - z).norm(dim=1))


def test_errors_and_what_they_are_compared_with(networks: Networks, drawings: np.ndarray) -> None:
    x, z = drawings[:20], torch.randn(20, 8, generator=torch.Generator().manual_seed(0))
    arrays, figures = measure_reconstructions(*networks, x, z)

    def reconstructed(images: np.ndarray) -> np.ndarray:
        return reconstruct(*networks, np.ascontiguousarray(images)).x_recon

    x_recon, mirrored = reconstructed(x), x[:, :, ::-1]
    errors, fakes = mean_error(x_recon, x), generate_images(networks[0], z).numpy()
    mean = np.broadcast_to(x.mean(axis=0), x.shape)
    cycle = (encode_images(networks[1], fakes) - z).norm(dim=1)
    for name, expected in {
        "picture_errors": errors,
        "mirrored_errors": mean_error(reconstructed(mirrored), mirrored),
        "mean_errors": mean_error(mean, x),
        "unrelated_errors": mean_error(fakes, x),
        "latent_errors": cycle,
        "latent_lengths": z.norm(dim=1),
    }.items():
        np.testing.assert_allclose(arrays[name], expected, atol=0.002, err_msg=name)
    for name, value in {
        "picture_error": errors.mean(),
        "picture_error_median": np.median(errors),
        "picture_error_mirrored": arrays["mirrored_errors"].mean(),
        "picture_error_of_mean": arrays["mean_errors"].mean(),
        "nearer_than_mean": (errors < arrays["mean_errors"]).mean(),
        "latent_error": cycle.mean(),
        "latent_length": z.norm(dim=1).mean(),
    }.items():
        assert figures[name] == pytest.approx(float(value), rel=1e-5), name

    order = errors.argsort(kind="stable")
    assert (arrays["best_originals"] == x[order[:8]]).all()
    assert (arrays["worst_reconstructions"] == x_recon[order[::-1][:8]]).all()
    assert len(arrays["spaced_originals"]) == 16
    assert (arrays["spaced_originals"][[0, -1]] == x[[0, -1]]).all()
    between, ends = arrays["between"], [0, 6, 13, 19]
    assert between.shape == (4, 8, 32, 32, 3)
    assert (between[:, 0] == x[ends]).all()
    assert (between[:, -1] == np.roll(x[ends], -1, axis=0)).all()
    near = x_recon[ends].astype(int)
    assert np.abs(between[:, 1] - near).max() <= 1
    assert np.abs(between[:, -2] - np.roll(near, -1, axis=0)).max() <= 1


@pytest.mark.parametrize("count", [2, 9])
def test_few_images_are_enough(networks: Networks, drawings: np.ndarray, count: int) -> None:
    arrays, _ = measure_reconstructions(*networks, drawings[:count], torch.randn(count, 8))
    assert len(arrays["spaced_errors"]) == count
    assert len(arrays["worst_errors"]) == min(8, count)


def test_training_images_and_their_mirror_images_are_counted(drawings: np.ndarray) -> None:
    training = np.concatenate([drawings[:5], drawings[8:10, :, ::-1]])
    assert count_known(drawings[3:10], training) == {
        "pictures": 7,
        "trained_on": 2,
        "mirrored_trained_on": 2,
    }
