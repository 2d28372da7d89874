"""Training data: contact sheets, the enlarged data set, and augmented inputs."""

from pathlib import Path
from typing import Any

import numpy as np

from pokegan.analysis.subset import evenly_spaced
from pokegan.core.arrays import load_images
from pokegan.core.files import reading
from pokegan.core.grids import grid
from pokegan.report.animation import data_uri, downscale
from pokegan.report.results import NetworkResults
from pokegan.report.samples import save_grid

N_SHEET, SHEET_COLUMNS = 1024, 32
SHEET_SIZE = 32  # pixels: side of an image of a contact sheet on the page
COLUMNS = 8
KINDS = ("original", "mirrored", "color-jittered")


def contact_sheet(file: Path, grids: Path) -> dict[str, Any]:
    """Write a contact sheet of a data set as PNG, and return a smaller one as a data URI."""
    images = load_images(file)
    shown = evenly_spaced(images, N_SHEET)
    save_grid(grids / f"{file.stem}.png", grid(downscale(shown), SHEET_COLUMNS))
    smaller = grid(downscale(shown, SHEET_SIZE), SHEET_COLUMNS)
    return {"name": file.stem, "count": len(images), "picture": data_uri(smaller, lossless=False)}


def enlargement(file: Path) -> dict[str, Any]:
    """Arrange some images of the enlarged data set (3N, R, R, 3): a row per kind."""
    images = load_images(file)
    kinds = images.reshape(len(KINDS), -1, *images.shape[1:])
    shown = np.concatenate([evenly_spaced(kind, COLUMNS) for kind in kinds])
    picture = data_uri(grid(downscale(shown), len(shown) // len(KINDS)))
    return {"name": file.stem, "rows": KINDS, "picture": picture}


def augmented_inputs(network: NetworkResults) -> dict[str, Any]:
    """Arrange real images above augmented inputs of a discriminator."""
    with reading(network.folder / "samples.npz"):
        real, augmented = network.samples["true"], network.samples["seen"]
    images = downscale(np.concatenate([real, *augmented]))
    picture = data_uri(grid(images, len(real)), lossless=False)
    return {"rows": ["real", *["augmented"] * len(augmented)], "picture": picture}
