"""Images of the page: samples over the training, and the training data."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pokegan.analysis.subset import evenly_spaced
from pokegan.core.arrays import load_images
from pokegan.core.files import reading
from pokegan.core.grids import grid, to_image
from pokegan.report.animation import captioned, data_uri, downscale, save_animation
from pokegan.report.results import NetworkResults

COLUMNS = 8
N_PROGRESS = 4  # latents whose images are shown side by side over the snapshots
PLAYER_WIDTH = 530  # pixels: an 8×8 grid of 64-pixel images; smaller grids are enlarged
MAX_FRAMES = 16  # limits the size of the page
RATE, HOLD = 2.5, 2  # frames per second, additional seconds of the last frame
N_SHEET, SHEET_COLUMNS = 1024, 32
SHEET_SIZE = 32  # pixels: side of an image of a contact sheet on the page


def time_lapse(network: NetworkResults, grids: Path, animations: Path) -> dict[str, Any]:
    """Write the last samples, the progress of some latents and an animation of a network.

    Returns the same as data URIs, with labels.
    """
    name, run = network.name, network.run
    with reading(network.folder / "samples.npz"):
        rows = evenly_spaced(np.arange(len(network.samples["epochs"])), MAX_FRAMES)
        epochs, samples = (network.samples[key][rows] for key in ("epochs", "pictures"))
    with reading(network.folder / "run.json"):
        steps = (epochs * run["steps"] / run["epochs"]).round().astype(int)
    labels = [f"epoch {e:.4g} · step {step:,}" for e, step in zip(epochs, steps, strict=True)]
    save_grid(grids / f"{name}.png", grid(samples[-1], COLUMNS))
    progress = samples[:, :N_PROGRESS].swapaxes(0, 1).reshape(-1, *samples.shape[2:])
    save_grid(grids / f"{name}_progress.png", grid(progress, columns=len(samples)))
    frames = np.stack([grid(downscale(images), COLUMNS) for images in samples])
    captions = [f"{name} · {label}" for label in labels]
    animation = animations / f"{name}.webp"
    save_animation(animation, captioned(frames, captions), RATE, HOLD, lossless=False)
    last = len(samples) - 1
    return {
        "epochs": epochs,
        "labels": labels,
        # Motion hides the loss of compression, except in the last frame.
        "frames": [data_uri(frame, lossless=index == last) for index, frame in enumerate(frames)],
        "width": max(1, round(PLAYER_WIDTH / frames.shape[2])) * frames.shape[2],
        "progress": data_uri(grid(downscale(progress), columns=len(samples))),
    }


def real_grid(file: Path, grids: Path) -> dict[str, Any]:
    """Write a grid of evenly spaced real images as PNG, and return it as a data URI."""
    images = load_images(file)
    shown = evenly_spaced(images, COLUMNS**2)
    save_grid(grids / "real.png", grid(shown, COLUMNS))
    picture, side = data_uri(grid(downscale(shown), COLUMNS)), images.shape[1]
    return {"name": file.stem, "count": len(images), "side": side, "grid": picture}


def contact_sheet(file: Path, grids: Path) -> dict[str, Any]:
    """Write a contact sheet of a data set as PNG, and return a smaller one as a data URI."""
    images = load_images(file)
    shown = evenly_spaced(images, N_SHEET)
    save_grid(grids / f"{file.stem}.png", grid(downscale(shown), SHEET_COLUMNS))
    smaller = grid(downscale(shown, SHEET_SIZE), SHEET_COLUMNS)
    return {"name": file.stem, "count": len(images), "picture": data_uri(smaller, lossless=False)}


def enlargement(file: Path, copies: Sequence[str]) -> dict[str, Any]:
    """Arrange images of the enlarged data set: a row of originals, and one per kind of copy."""
    images = load_images(file)
    rows = ["original", *copies]
    kinds = images.reshape(len(rows), -1, *images.shape[1:])
    shown = np.concatenate([evenly_spaced(kind, COLUMNS) for kind in kinds])
    picture = data_uri(grid(downscale(shown), len(shown) // len(rows)))
    return {"name": file.stem, "rows": rows, "picture": picture}


def augmented_inputs(network: NetworkResults) -> dict[str, Any]:
    """Arrange real images above augmented inputs of a discriminator."""
    with reading(network.folder / "samples.npz"):
        real, augmented = network.samples["true"], network.samples["seen"]
    images = downscale(np.concatenate([real, *augmented]))
    picture = data_uri(grid(images, len(real)), lossless=False)
    return {"rows": ["real", *["augmented"] * len(augmented)], "picture": picture}


def save_grid(file: Path, pixels: np.ndarray) -> None:
    """Write pixels as a PNG file."""
    to_image(pixels).save(file, format="PNG", optimize=True)
