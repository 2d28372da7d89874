"""Which images of many are shown."""

from __future__ import annotations

import numpy as np


def evenly_spaced(pictures: np.ndarray, most: int) -> np.ndarray:
    """At most MOST of PICTURES, evenly spaced from the first to the last."""
    count = min(most, len(pictures))
    rows = np.linspace(0, len(pictures) - 1, count).round().astype(int)
    chosen: np.ndarray = pictures[rows]
    return chosen
