"""Sliced Wasserstein distances between the patches of two sets of images (Karras et al. 2018)."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

# Karras et al. 2018, section 5: patches of 7 × 7 pixels, 128 per image and scale; 512 projections.
PATCH, N_PATCHES, N_PROJECTIONS = 7, 128, 512
SMALLEST = 16  # pixels per side of the coarsest scale


def project_patches(images: np.ndarray, generator: torch.Generator) -> dict[int, np.ndarray]:
    """Project random patches of images, uint8 (N, R, R, 3), at each scale of a Laplacian pyramid.

    Patches are normalized by the mean and deviation of each channel in the set, so that a change of
    brightness, contrast or tint of a whole set has no effect.

    Returns pixels per side of each scale, from fine to coarse → the projections on each direction,
    float32 (512, 128·N), sorted.
    """
    found = {}
    for level in laplacian_pyramid(images):
        side = level.shape[-1]
        corners = torch.randint(side - PATCH + 1, (len(level), N_PATCHES, 2), generator=generator)
        directions = torch.randn(3 * PATCH**2, N_PROJECTIONS, generator=generator)
        directions = functional.normalize(directions, dim=0)
        # NumPy sorts rows of float32 several times as fast as torch.
        projections = (sample_patches(level, corners) @ directions).T.contiguous().numpy()
        found[side] = np.sort(projections, axis=1)
    return found


def sliced_wasserstein(
    first: dict[int, np.ndarray], second: dict[int, np.ndarray]
) -> dict[int, float]:
    """Return pixels per side of each scale → distance × 1000, from the projections of two sets.

    The distance is the mean over random directions of the one-dimensional Wasserstein distance
    (Rabin et al. 2011). The projections of both sets need equal generators: it is then 0 between
    equal sets.

    Raises:
        ValueError: the sets have different shapes.
    """
    distances = {}
    for side, projections in first.items():
        if side not in second or projections.shape != second[side].shape:
            raise ValueError("the sets have different shapes")
        difference = np.abs(projections - second[side])
        distances[side] = 1000 * float(difference.mean(dtype=np.float64))
    return distances


def laplacian_pyramid(images: np.ndarray) -> list[Tensor]:
    """Return the differences between scales (N, 3, R, R), (N, 3, R/2, R/2), …, and the coarsest.

    The sum of all scales, enlarged, is the images (Burt and Adelson 1983).
    """
    level = torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).float()
    levels = []
    while level.shape[-1] > SMALLEST:
        coarser = _smooth(level)[:, :, ::2, ::2]
        levels.append(level - enlarge(coarser))
        level = coarser
    return [*levels, level]


def enlarge(level: Tensor) -> Tensor:
    """Double the resolution of a level, (N, 3, S, S)."""
    larger = level.new_zeros(*level.shape[:2], 2 * level.shape[2], 2 * level.shape[3])
    larger[:, :, ::2, ::2] = 4 * level
    return _smooth(larger)


def _smooth(level: Tensor) -> Tensor:
    """Convolve with a binomial filter of 5 × 5 pixels; images are continued by reflection."""
    row = level.new_tensor([1, 4, 6, 4, 1]) / 16
    kernel = torch.outer(row, row).expand(level.shape[1], 1, 5, 5)
    padded = functional.pad(level, (2, 2, 2, 2), mode="reflect")
    return functional.conv2d(padded, kernel, groups=level.shape[1])


def sample_patches(level: Tensor, corners: Tensor) -> Tensor:
    """Return the normalized patches of a level (N, 3, S, S) at corners (N, P, 2): (N·P, 147)."""
    offsets = torch.arange(PATCH)
    y, x = (corners[..., axis, None] + offsets for axis in (0, 1))
    images = torch.arange(len(level))[:, None, None, None]
    patches = level.permute(0, 2, 3, 1)[images, y[..., :, None], x[..., None, :]]
    std, mean = torch.std_mean(patches, dim=(0, 1, 2, 3), correction=0)
    # A channel without any contrast stays 0.
    return ((patches - mean) / std.clamp_min(1e-6)).flatten(2).flatten(0, 1)
