"""Generated images beside their nearest training images."""

from typing import Any

import numpy as np

from pokegan.core.grids import grid
from pokegan.report.animation import captioned, data_uri, downscale
from pokegan.report.charts import cumulative
from pokegan.report.results import ENCODERS

LINES = {
    "generated images": "copies_distances",
    "training images, to another species": "copies_to_others",
    "training images, to their own species": "copies_to_own",
}


def nearest_images(inspection: dict[str, Any], color: str) -> dict[str, Any]:
    """Return the distances to the nearest training images as a chart, and some pairs."""
    distances = {title: inspection[key] for title, key in LINES.items()}
    return {
        **inspection["copies"],
        "pictures": inspection["pictures"],
        "encoder": ENCODERS.get(inspection["encoder"], inspection["encoder"]),
        "lines": list(LINES),
        "chart": cumulative(distances, "distance to the nearest training image", color),
        "sheet": data_uri(neighbor_sheet(inspection), lossless=False),
    }


def neighbor_sheet(inspection: dict[str, Any]) -> np.ndarray:
    """Arrange each generated image beside its neighbors, with their distances as captions."""
    neighbors = inspection["copies_neighbours"]
    rows = np.concatenate([inspection["copies_generated"][:, None], neighbors], axis=1)
    captions = [
        caption
        for distances in inspection["copies_neighbour_distances"]
        for caption in ("generated", *(f"{distance:.1f}" for distance in distances))
    ]
    images = downscale(rows.reshape(-1, *rows.shape[2:]))
    return grid(captioned(images, captions), columns=rows.shape[1])
