"""Sliced Wasserstein distances between the patches of two sets of images (Karras et al. 2018)."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

# Karras et al. 2018, section 5: patches of 7 × 7 pixels, 128 per image and scale; 512 projections.
PATCH, N_PATCHES, N_PROJECTIONS = 7, 128, 512
SMALLEST = 16  # pixels per side of the coarsest scale


def sliced_wasserstein(
    fakes: np.ndarray, reals: np.ndarray, generator: torch.Generator
) -> dict[int, float]:
    """Return pixels per side of each scale → distance × 1000, from fine to coarse.

    Both sets are uint8 (N, R, R, 3). At each scale of a Laplacian pyramid, patches are normalized
    by the mean and deviation of each channel in their set, so that a change of brightness, contrast
    or tint of a whole set has no effect. The distance is the mean over random directions of the
    one-dimensional Wasserstein distance (Rabin et al. 2011). The same patches and directions are
    drawn for both sets, so that it is 0 between equal sets.

    Raises:
        ValueError: the sets have different shapes.
    """
    if fakes.shape != reals.shape:
        raise ValueError(f"sets of the shapes {fakes.shape} and {reals.shape}")
    found = {}
    for first, second in zip(laplacian_pyramid(fakes), laplacian_pyramid(reals), strict=True):
        side = first.shape[-1]
        corners = torch.randint(side - PATCH + 1, (len(first), N_PATCHES, 2), generator=generator)
        directions = torch.randn(3 * PATCH**2, N_PROJECTIONS, generator=generator)
        directions = functional.normalize(directions, dim=0)
        # NumPy sorts rows of float32 several times as fast as torch.
        projected = [
            np.sort((sample_patches(each, corners) @ directions).T.contiguous().numpy(), axis=1)
            for each in (first, second)
        ]
        found[side] = 1000 * float(np.abs(projected[0] - projected[1]).mean(dtype=np.float64))
    return found


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
