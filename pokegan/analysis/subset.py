"""Select a few of many images."""

import numpy as np


def evenly_spaced(images: np.ndarray, count: int) -> np.ndarray:
    """Return at most `count` rows, evenly spaced from the first to the last."""
    rows = np.linspace(0, len(images) - 1, min(count, len(images))).round().astype(int)
    chosen: np.ndarray = images[rows]
    return chosen
