"""Do the samples differ? A cheap watch for mode collapse on the grid of fixed latents."""

from __future__ import annotations

import torch
from torch import Tensor

# A generator begins with nearly the same grey for every latent. Once it has had time to part
# them, less than a tenth of the true pictures' own distance is one picture with a little noise;
# a fall to a third of what has been reached is a collapse at any time.
STEPS_TO_PART = 200
ABSOLUTE = 0.1
RELATIVE = 1 / 3


def nearest_distance(pictures: Tensor) -> float:
    """The mean distance from a picture to the one that is nearest to it.

    PICTURES: (N, R, R, 3) uint8. Root mean square over all values, in [0, 1]. Where all show the
    same it is 0; where N pictures show N/2 motifs, each twice, it is 0 as well.
    """
    flat = pictures.flatten(start_dim=1).float() / 255
    # The quick way by a matrix product would not find equal pictures at a distance of zero.
    exact = "donot_use_mm_for_euclid_dist"
    distances = torch.cdist(flat, flat, compute_mode=exact) / flat.shape[1] ** 0.5
    distances.fill_diagonal_(torch.inf)
    return float(distances.amin(dim=1).mean()) if len(flat) > 1 else 0.0


def has_collapsed(diversity: float, most: float, step: int) -> bool:
    """True where DIVERSITY, a share of the true pictures' own, is too low at STEP after MOST."""
    return diversity < RELATIVE * most or (step > STEPS_TO_PART and diversity < ABSOLUTE)
