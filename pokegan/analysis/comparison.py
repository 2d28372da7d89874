"""Generated against real images without the features of an encoder: patches, spectra, LPIPS."""

from typing import Any

import numpy as np
import torch

from pokegan.compute.randomness import Streams
from pokegan.core.files import round_sig
from pokegan.metrics.features import MIN_IMAGES, halves
from pokegan.metrics.lpips import Vectors, lpips_diversity
from pokegan.metrics.sliced_wasserstein import project_patches, sliced_wasserstein
from pokegan.metrics.spectrum import checkerboard, power_spectrum, radial_profile

# Largest number of images on each side, and of those whose pairs are compared by LPIPS.
MAX_COMPARED, MAX_PAIRED = 400, 200


def compare_images(
    fakes: np.ndarray,
    reals: np.ndarray,
    vectors: Vectors,
    device: torch.device,
    seed: int,
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Compare generated images (≥ MAX_COMPARED) with half of the real ones; the other half, too.

    Returns power spectra over the frequency, and figures; those of real against real images end
    with `_reals`. Both are empty for fewer real images than scores need.
    """
    if len(reals) < 2 * MIN_IMAGES:
        return {}, {}
    first, second = (reals[rows] for rows in halves(len(reals), MAX_COMPARED, seed))
    arrays: dict[str, np.ndarray] = {}
    figures: dict[str, Any] = {"pictures": len(first)}
    # The same patches and directions in both comparisons.
    projections = project_patches(first, Streams(seed)["sliced Wasserstein"])
    for images, suffix in ((fakes[: len(first)], ""), (second, "_reals")):
        others = project_patches(images, Streams(seed)["sliced Wasserstein"])
        found = sliced_wasserstein(others, projections)
        figures |= {f"swd_{side}{suffix}": round_sig(each) for side, each in found.items()}
        spectrum = power_spectrum(images)
        arrays[f"spectrum{suffix}"] = radial_profile(spectrum)
        figures[f"checkerboard{suffix}"] = round_sig(checkerboard(spectrum))
        diversity = lpips_diversity(vectors, images[:MAX_PAIRED], device)
        figures[f"lpips_diversity{suffix}"] = round_sig(diversity)
    return arrays, figures
