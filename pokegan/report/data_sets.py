"""What networks are shown: contact sheets and the enlargement, as the page has them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pokegan.analysis.subset import evenly_spaced
from pokegan.core.errors import PipelineError
from pokegan.core.grids import grid
from pokegan.report.animation import at_most, data_uri

COLUMNS = 8
SHEET = 1100  # pixels: the widest that a contact sheet is shown
KINDS = ("original", "mirrored", "jittered")


def contact_sheet(file: Path) -> dict[str, Any]:
    """The contact sheet FILE, small enough for the page.

    Raises:
        PipelineError: FILE is missing or broken.
    """
    try:
        with Image.open(file) as opened:
            image = opened.convert("RGB")
    except OSError as fault:
        raise PipelineError(
            f"{file} is missing or broken; delete it and run `dvc repro`, which makes it."
        ) from fault
    image.thumbnail((SHEET, SHEET))
    return {"name": file.stem, "picture": data_uri(np.asarray(image), lossless=False)}


def enlargement(pictures: np.ndarray) -> str:
    """Some of the enlarged PICTURES (3N, R, R, 3), a row of originals above their copies."""
    threes = pictures.reshape(len(KINDS), -1, *pictures.shape[1:]).swapaxes(0, 1)
    shown = evenly_spaced(threes, COLUMNS).swapaxes(0, 1)
    rows = at_most(shown.reshape(-1, *pictures.shape[1:]))
    return data_uri(grid(rows, shown.shape[1]))
