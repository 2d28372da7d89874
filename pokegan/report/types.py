"""Mean images of the types of Pokémon, and how well the types can be classified."""

from pathlib import Path
from typing import Any

import numpy as np

from pokegan.core.files import load_arrays, read_json, reading
from pokegan.report.animation import data_uri, downscale


def read_types(arrays: Path, facts: Path) -> dict[str, Any]:
    """Read what stages/classify_types.py writes, an .npz and a .json.

    Returns:
        "facts", with the scores of kinds of features if there are enough images; "cards", one per
        type.

    Raises:
        PipelineError: a file is missing or damaged.
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
