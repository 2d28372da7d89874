"""Reconstructions by an AEGAN: images from their latents, latents from their images."""

from hashlib import sha256
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from pokegan.analysis.latent_space import STEPS, closed_path, differences, generate_grid
from pokegan.analysis.subset import evenly_spaced
from pokegan.core.files import round_sig
from pokegan.networks.sampling import from_uint8, generate_images

BATCH_SIZE = 64
MAX_IMAGES = 1000  # real images to reconstruct
N_SPACED, N_EXTREMES = 16, 8  # reconstructions to show
N_BETWEEN = 4  # real images to interpolate between


class Reconstruction(NamedTuple):
    """N images, their latents, and the reconstructions of both: x → z → x_recon → z_recon."""

    z: Tensor  # (N, latent_dim)
    x: np.ndarray  # uint8 (N, R, R, 3)
    x_recon: np.ndarray
    image_errors: np.ndarray  # (N,) mean absolute difference, 0 to 1
    latent_errors: Tensor  # (N,) |z_recon - z|


def encode_images(encoder: nn.Module, images: np.ndarray) -> Tensor:
    """Encode images, uint8 (N, R, R, 3), to latents (N, latent_dim) on the CPU."""
    device = next(encoder.parameters()).device
    with torch.no_grad():
        batches = torch.from_numpy(images).split(BATCH_SIZE)
        return torch.cat([encoder(from_uint8(batch.to(device))).cpu() for batch in batches])


def reconstruct(generator: nn.Module, encoder: nn.Module, images: np.ndarray) -> Reconstruction:
    """Reconstruct images, uint8 (N, R, R, 3), from their latents."""
    z = encode_images(encoder, images)
    x_recon = generate_images(generator, z).numpy()
    latent_errors = (encode_images(encoder, x_recon) - z).norm(dim=1)
    return Reconstruction(z, images, x_recon, differences(x_recon, images), latent_errors)


def measure_reconstructions(
    generator: nn.Module, encoder: nn.Module, images: np.ndarray, z: Tensor
) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """Measure how well generator and encoder invert each other, on N real images and N latents.

    Returns arrays and figures. Originals, reconstructions and errors of evenly `spaced` images, and
    of those with the least (`best`) and greatest (`worst`) errors; `between`, rows from one real
    image to the next along the path between their latents (absent if latent_dim < 2); and the
    errors (N,) of all, see `all_errors`.
    """
    encoded, _, x_recon, errors, _ = reconstruct(generator, encoder, images)
    order = errors.argsort(kind="stable")
    arrays = all_errors(generator, encoder, images, z) | {"picture_errors": errors}
    for kind, rows in {
        "spaced": evenly_spaced(np.arange(len(images)), N_SPACED),
        "best": order[:N_EXTREMES],
        "worst": order[::-1][:N_EXTREMES],
    }.items():
        arrays[f"{kind}_originals"] = images[rows]
        arrays[f"{kind}_reconstructions"] = x_recon[rows]
        arrays[f"{kind}_errors"] = errors[rows]
    if z.shape[1] > 1:
        ends = evenly_spaced(np.arange(len(images)), N_BETWEEN)
        path = generate_grid(generator, closed_path(encoded[ends], STEPS - 2, with_ends=True))
        first, last = images[ends, None], images[np.roll(ends, -1), None]
        arrays["between"] = np.concatenate([first, path, last], axis=1)
    return arrays, summarize_errors(arrays)


def all_errors(
    generator: nn.Module, encoder: nn.Module, images: np.ndarray, z: Tensor
) -> dict[str, np.ndarray]:
    """Errors (N,) of reconstructed latents, with their lengths, and of images for comparison.

    Those are the errors of reconstructed mirror images, of the mean image in place of each image,
    and of unrelated generated images.
    """
    mirrored = np.ascontiguousarray(images[:, :, ::-1])
    mean = images.mean(axis=0).round().astype(np.uint8)
    generated = generate_images(generator, z).numpy()
    return {
        "mirrored_errors": reconstruct(generator, encoder, mirrored).image_errors,
        "mean_errors": differences(np.broadcast_to(mean, images.shape), images),
        "unrelated_errors": differences(generated, images),
        "latent_errors": (encode_images(encoder, generated) - z).norm(dim=1).numpy(),
        "latent_lengths": z.norm(dim=1).numpy(),
    }


def summarize_errors(arrays: dict[str, np.ndarray]) -> dict[str, float]:
    """Means, medians and extremes of the errors."""
    errors, latent_errors = arrays["picture_errors"], arrays["latent_errors"]
    figures = {
        "picture_error": errors.mean(),
        "picture_error_median": np.median(errors),
        "picture_error_least": errors.min(),
        "picture_error_greatest": errors.max(),
        "picture_error_mirrored": arrays["mirrored_errors"].mean(),
        "picture_error_of_mean": arrays["mean_errors"].mean(),
        "picture_error_unrelated": arrays["unrelated_errors"].mean(),
        "nearer_than_mean": (errors < arrays["mean_errors"]).mean(),
        "latent_error": latent_errors.mean(),
        "latent_error_median": np.median(latent_errors),
        "latent_length": arrays["latent_lengths"].mean(),
    }
    return {key: round_sig(value) for key, value in figures.items()}


def count_known(images: np.ndarray, training_images: np.ndarray) -> dict[str, int]:
    """Count the images that are training images, and those whose mirror image is one."""
    known = set(_digests(training_images))
    return {
        "pictures": len(images),
        "trained_on": sum(digest in known for digest in _digests(images)),
        "mirrored_trained_on": sum(digest in known for digest in _digests(images[:, :, ::-1])),
    }


def _digests(images: np.ndarray) -> list[bytes]:
    return [sha256(image.tobytes()).digest() for image in images]
