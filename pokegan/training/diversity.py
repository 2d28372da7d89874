"""Detection of mode collapse on the samples of the fixed latents."""

import torch
from torch import Tensor

# An untrained generator gives nearly the same gray for every latent, so diversity begins near 0.
WARM_UP_STEPS = 200
MIN_DIVERSITY = 0.1  # after the warm-up; that of one image with noise is lower
MIN_SHARE_OF_MAX = 1 / 3  # at any time


def nearest_distance(images: Tensor) -> float:
    """Return the mean distance from an image to its nearest neighbor; 0 if each has a duplicate.

    Args:
        images: uint8 (N, R, R, 3). The distance of two is the RMS over all values, in [0, 1].
    """
    flat = images.flatten(start_dim=1).float() / 255
    # With a matrix product, the distance of equal images would not be 0.
    exact = "donot_use_mm_for_euclid_dist"
    distances = torch.cdist(flat, flat, compute_mode=exact) / flat.shape[1] ** 0.5
    distances.fill_diagonal_(torch.inf)
    return float(distances.amin(dim=1).mean()) if len(flat) > 1 else 0.0


def has_collapsed(diversity: float, maximum: float, step: int) -> bool:
    """Return whether the samples are nearly alike, by their diversity and its maximum so far.

    Diversity is the nearest distance of the samples, divided by that of the real images.
    """
    too_low = step > WARM_UP_STEPS and diversity < MIN_DIVERSITY
    return too_low or diversity < MIN_SHARE_OF_MAX * maximum
