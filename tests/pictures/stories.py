"""What stages leave behind, made up, for tests of the page that shows it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

LITE = "effnet_lite0"


def save_copies(folder: Path, drawings: np.ndarray) -> None:
    """What stages.match leaves in FOLDER: two generated pictures, three neighbours each."""
    (folder / "copies").mkdir(parents=True)
    np.savez(
        folder / f"copies/{LITE}.npz",
        distances=np.array([9.0, 7.0]),
        to_own=np.array([1.0, 2.0, np.inf]),
        to_others=np.array([6.0, 7.0, 8.0]),
        drawn=drawings[:2],
        neighbours=drawings[2:8].reshape(2, 3, 32, 32, 3),
        neighbour_distances=np.arange(7.0, 13).reshape(2, 3),
    )
    figures = {
        "pictures": 2,
        "copies": 0.125,
        "nearest_median": 8.0,
        "nearest_median_other_species": 7.0,
        "nearest_median_same_species": 1.5,
    }
    (folder / f"copies/{LITE}.json").write_text(json.dumps(figures))
