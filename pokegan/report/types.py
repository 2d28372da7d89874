"""Types of Pokémon: their mean images, and how well features of images predict them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pokegan.core.files import load_arrays, read_json, reading
from pokegan.report.animation import data_uri, downscale
from pokegan.report.results import ENCODERS

TITLES = {
    "commonest": "majority class",
    "shape": "silhouette",
    "pixels": "raw pixels",
    "colour": "color histogram",
}
SCORES = ("accuracy", "balanced_accuracy", "water_auc")


def read_types(arrays: Path, facts: Path) -> dict[str, Any]:
    """Read what stages/classify_types.py writes, an .npz and a .json.

    Returns "facts", with scores if there are enough images, and "cards", one per type.
    """
    with reading(arrays):
        return {"facts": read_json(facts), "cards": cards(load_arrays(arrays))}


def cards(portraits: dict[str, np.ndarray]) -> list[dict[str, Any]]:
    """Return name, size, mean color, mean image, mean silhouette and accuracy of each type."""
    silhouettes = 255 - np.repeat(portraits["silhouettes"][..., None], 3, axis=3)
    means, silhouettes = downscale(portraits["means"]), downscale(silhouettes)
    accuracy = portraits.get("told_by_colour", np.full(len(means), np.nan))
    return [
        {
            "name": str(name),
            "count": int(portraits["counts"][index]),
            "color": "#{:02x}{:02x}{:02x}".format(*portraits["colours"][index].tolist()),
            "mean": data_uri(means[index], lossless=False),
            "silhouette": data_uri(silhouettes[index], lossless=False),
            "accuracy": float(accuracy[index]) if np.isfinite(accuracy[index]) else None,
        }
        for index, name in enumerate(portraits["names"])
    ]


def classification(
    types: Mapping[str, Any], discriminators: Mapping[str, Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Return the rows of the table: other features, and discriminators before and after training.

    Takes the facts of stages/classify_types.py and what `discriminator_features` returns.
    """
    titles = {**TITLES, "encoder": ENCODERS.get(types.get("encoder", ""), "encoder")}
    rows = [_row(title, kind, types) for kind, title in titles.items()]
    for name, facts in discriminators.items():
        rows += [_row(f"{name}, untrained", "untrained", facts), _row(name, "trained", facts)]
    return [row for row in rows if row["scores"]]


def _row(title: str, kind: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    keys = {score: f"{kind}_{score}" for score in SCORES}
    scores = {
        score: (facts[key], facts[f"{key}_spread"]) for score, key in keys.items() if key in facts
    }
    return {"title": title, "kind": kind, "scores": scores}
