"""Paths through a latent space, and neighborhoods of latents."""

import warnings

import numpy as np
import torch
from scipy.spatial import geometric_slerp
from torch import Tensor, nn

from pokegan.compute.randomness import Streams
from pokegan.core.errors import PipelineError
from pokegan.networks.sampling import generate_images, sample_latents

STEPS = 8  # images per row
N_PATHS = 6
N_CENTERS, N_DIRECTIONS = 2, 3
DEGREES = (0, 5, 10, 20, 30, 45, 60, 90)
N_ROTATED = 64  # latents for the mean change of an image


def explore_latent_space(
    generator: nn.Module, latent_dim: int, streams: Streams
) -> dict[str, np.ndarray]:
    """Generate images on paths between random latents, and around random latents.

    Returns:
        paths: uint8 (6, 8, R, R, 3), a row from each latent to the next.
        neighbourhoods: uint8 (2, 3, 8, R, R, 3), rows of a latent rotated in three directions.
        degrees, changes: (8,), angles of the rotations, and the mean change of an image by them.
    """
    degrees = np.array(DEGREES)
    ends = sample_latents(N_PATHS, latent_dim, streams["path latents"])
    stream = streams["neighbourhood latents"]
    centers = sample_latents(N_CENTERS, latent_dim, stream).repeat_interleave(N_DIRECTIONS, dim=0)
    around = rotate(centers, sample_latents(len(centers), latent_dim, stream), degrees)
    z, towards = sample_latents(2 * N_ROTATED, latent_dim, streams["turned latents"]).chunk(2)
    steps = generate_grid(generator, rotate(z, towards, degrees)).swapaxes(0, 1)
    return {
        "paths": generate_grid(generator, closed_path(ends, STEPS, with_ends=True)),
        "neighbourhoods": generate_grid(generator, around.unflatten(0, (N_CENTERS, N_DIRECTIONS))),
        "degrees": degrees,
        "changes": np.array([differences(step, steps[0]).mean() for step in steps]),
    }


def generate_grid(generator: nn.Module, z: Tensor) -> np.ndarray:
    """Generate the images of latents (…, latent_dim): uint8 (…, R, R, 3)."""
    images = generate_images(generator, z.flatten(0, -2)).numpy()
    return images.reshape(*z.shape[:-1], *images.shape[1:])


def spherical_path(first: Tensor, second: Tensor, positions: np.ndarray) -> Tensor:
    """Interpolate between two latents along a great circle (White 2016, section 2.1).

    The length changes linearly; latents on a straight line would be shorter than samples of
    N(0, 1). Positions (T,) are 0 at the first latent and 1 at the second; returns (T, latent_dim).
    """
    ends = torch.stack([first, second]).double().numpy()
    lengths = (ends**2).sum(axis=1) ** 0.5
    if ends.shape[1] < 2 or not lengths.all():
        raise PipelineError(
            "There is no spherical path between these latents; a latent needs at least two "
            "numbers that are not all zero."
        )
    with warnings.catch_warnings(action="ignore"):  # opposite latents: one of many circles
        directions = geometric_slerp(ends[0] / lengths[0], ends[1] / lengths[1], positions)
    path = (lengths[0] + positions * (lengths[1] - lengths[0]))[:, None] * directions
    return torch.from_numpy(path).float()


def closed_path(z: Tensor, steps: int, with_ends: bool) -> Tensor:
    """Interpolate from each latent (N, D) to the next, and back to the first: (N, steps, D).

    With ends, each part ends at the latent where the next part begins; else no latent repeats.
    """
    positions = np.linspace(0, 1, steps, endpoint=with_ends)
    pairs = zip(z, z.roll(-1, 0), strict=True)
    return torch.stack([spherical_path(first, second, positions) for first, second in pairs])


def rotate(z: Tensor, towards: Tensor, degrees: np.ndarray) -> Tensor:
    """Rotate latents (N, D) towards others (N, D) by angles (T,), at constant length: (N, T, D).

    Two random latents are about 90° apart.
    """
    z, towards = z.double(), towards.double()
    length = z.norm(dim=1, keepdim=True)
    across = towards - (towards * z).sum(dim=1, keepdim=True) / length**2 * z
    across = across / across.norm(dim=1, keepdim=True) * length
    angles = torch.from_numpy(np.radians(degrees))[:, None]
    rotated: Tensor = torch.cos(angles) * z[:, None] + torch.sin(angles) * across[:, None]
    return rotated.float()


def differences(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Mean absolute difference (N,), 0 to 1, of images, uint8 (N, R, R, 3)."""
    # One pair at a time: the differences of all would take eight times the memory of the images.
    pairs = zip(first, second, strict=True)
    return np.array([np.abs(one.astype(int) - other).mean() / 255 for one, other in pairs])
