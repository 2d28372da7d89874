"""What stages leave behind, made up, for tests of the page that shows it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np

LITE = "effnet_lite0"
SPREAD = {"accuracy_spread": 0.01, "balanced_accuracy_spread": 0.02, "water_auc_spread": 0.03}
FACTS = {
    "pictures": 120, "types": 2, "families": 60, "folds": 5,
    "pictures_of_rare_types": 3, "pictures_without_type": 4,
}  # fmt: skip


def save_copies(folder: Path, drawings: np.ndarray) -> None:
    """What stages.match leaves in FOLDER: two generated pictures, three neighbours each."""
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(
        folder / "copies.npz",
        distances=np.array([9.0, 7.0]),
        to_own=np.array([1.0, 2.0, np.inf]),
        to_others=np.array([6.0, 7.0, 8.0]),
        drawn=drawings[:2],
        neighbours=drawings[2:8].reshape(2, 3, 32, 32, 3),
        neighbour_distances=np.arange(7.0, 13).reshape(2, 3),
    )
    figures = {
        "encoder": LITE,
        "pictures": 2,
        "copies": 0.125,
        "nearest_median": 8.0,
        "nearest_median_other_species": 7.0,
        "nearest_median_same_species": 1.5,
    }
    (folder / "copies.json").write_text(json.dumps(figures))


def scores(kind: str, accuracy: float, water: bool = True) -> dict[str, float]:
    """What a linear probe of features of KIND tells."""
    told = {"accuracy": accuracy, "balanced_accuracy": accuracy / 2, "water_auc": 0.75, **SPREAD}
    kept = {name: value for name, value in told.items() if water or "water" not in name}
    return {f"{kind}_{name}": value for name, value in kept.items()}


def save_types(file: Path) -> None:
    """What stages.classify_types leaves in FILE (.json) and beside it (.npz).

    Two types to tell apart, and a third with too few families.
    """
    told: dict[str, Any] = {"encoder": LITE, **FACTS, "commonest": "Water"}
    told |= scores("commonest", 0.51, water=False)
    for kind, accuracy in (("colour", 0.81), ("shape", 0.52), ("pixels", 0.6), ("encoder", 0.7)):
        told |= scores(kind, accuracy)
    file.write_text(json.dumps(told))
    np.savez(
        file.with_suffix(".npz"),
        names=np.array(["Water", "Fire", "Ice"]),
        counts=np.array([70, 50, 3]),
        colours=np.array([[0, 16, 255], [255, 0, 0], [9, 9, 9]], np.uint8),
        means=np.full((3, 32, 32, 3), 200, np.uint8),
        silhouettes=np.full((3, 32, 32), 100, np.uint8),
        told_by_colour=np.array([0.9, 0.68, np.nan]),
    )


def save_probe(folder: Path, number: int = 0) -> None:
    """What stages.probe leaves of a network in FOLDER; networks of any NUMBER began alike."""
    folder.mkdir(exist_ok=True)
    told = {"network": folder.name, **FACTS, "filters": 96}
    told |= {"filters_likeness": 0.5 + number / 4}
    told |= scores("trained", 0.66 + number / 10) | scores("untrained", 0.55)
    told |= scores("gain", 0.11 + number / 10)
    (folder / "probe.json").write_text(json.dumps(told))
    filters = np.full((64, 4, 4, 3), 50 + number, np.uint8)
    np.savez(folder / "filters.npz", trained=filters, untrained=filters)


def page() -> str:
    """The page that the fixture `render` has written."""
    return Path("r/index.html").read_text()


def without_scripts() -> str:
    """The same without its scripts."""
    return re.sub(r"<script>.*?</script>", "", page(), flags=re.DOTALL)
