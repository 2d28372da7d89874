"""What the discriminators see of true pictures, as the page shows it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pokegan.core.errors import PipelineError
from pokegan.core.grids import grid
from pokegan.report.animation import at_most, data_uri

CHANGES = {
    "translation": "moved by up to an eighth of its side",
    "cutout": "covered by a white square of a fifth of its side, part of which may lie outside",
    "color": "made brighter or darker, with more or less colour and contrast",
}


def seen_by_discriminators(networks: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Of trained NETWORKS, those whose augmentation is on, with a picture, and names of the others.

    Raises:
        PipelineError: a network was trained with augmentation and left no example of it.
    """
    told: dict[str, Any] = {"on": [], "off": []}
    for network in networks:
        name = network["name"]
        # Networks of before there was any have no such parameter.
        kinds = network["run"]["params"].get(f"{name}.augmentation", [])
        if not kinds:
            told["off"].append(name)
            continue
        try:
            true, seen = (network["examples"][key] for key in ("true", "seen"))
        except KeyError as fault:
            raise PipelineError(
                f"{name}: samples.npz lacks {fault}, what the discriminator sees; "
                f"run `dvc repro -f -s train_{name}`."
            ) from fault
        rows = np.concatenate([true, *seen])
        told["on"].append(
            {
                "name": name,
                "changes": [change for kind, change in CHANGES.items() if kind in kinds],
                "beyond": "color" in kinds,  # values leave the range that a picture can hold
                "rows": ["true", *["seen"] * len(seen)],
                "picture": data_uri(grid(at_most(rows), len(true)), lossless=False),
            }
        )
    return told
