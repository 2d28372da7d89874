"""How networks learn to draw: their samples from moment to moment, as files and on the page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from pokegan.analysis.subset import evenly_spaced
from pokegan.core.grids import grid, to_image
from pokegan.report.animation import at_most, captioned, data_uri, save_animation

COLUMNS = 8
FOLLOWED = 4  # latents whose pictures stand side by side, moment by moment
FILM = 530  # pixels: an 8×8 grid of such pictures, which smaller ones are enlarged towards
FRAMES = 16  # of a time-lapse, at most: more would make the page heavy
RATE, HOLD = 2.5, 2  # frames a second of a time-lapse, seconds that its end stays longer
LANDMARKS = (100, 200, 300, 400)  # epochs at which the students' report shows samples


def time_lapse(network: dict[str, Any], folder: Path) -> dict[str, Any]:
    """What the page shows of the samples of NETWORK, a story, over its training.

    FOLDER gets the last ones, the progress of the first few latents, and the time-lapse.
    """
    name = network["name"]
    shown = evenly_spaced(np.arange(len(network["epochs"])), FRAMES)
    samples, epochs = network["pictures"][shown], network["epochs"][shown]
    moments = [network["moments"][each] for each in shown]
    save_grid(folder / f"{name}.png", grid(samples[-1], COLUMNS))
    followed = samples[:, :FOLLOWED].swapaxes(0, 1).reshape(-1, *samples.shape[2:])
    save_grid(folder / f"{name}_progress.png", grid(followed, columns=len(samples)))
    frames = np.stack([grid(at_most(pictures), COLUMNS) for pictures in samples])
    lines = [f"{name} · {moment}" for moment in moments]
    moving = folder / f"{name}.webp"
    save_animation(moving, captioned(frames, lines), RATE, HOLD, lossless=False)
    last = len(samples) - 1
    return {
        "epochs": epochs,
        "moments": moments,
        # Motion hides what compression loses; the last picture is for looking.
        "frames": [data_uri(frame, lossless=index == last) for index, frame in enumerate(frames)],
        "width": max(1, round(FILM / frames.shape[2])) * frames.shape[2],
        "landmarks": landmarks(epochs),
        "progress": data_uri(grid(at_most(followed), columns=len(samples))),
    }


def landmarks(epochs: np.ndarray) -> list[dict[str, float]]:
    """The LANDMARKS that a training with samples at EPOCHS (S,) has reached.

    Each with the number of the nearest sample, and its place between the first, 0, and the last, 1.
    """
    numbers = np.arange(len(epochs))
    return [
        {
            "epoch": epoch,
            "frame": int(np.abs(epochs - epoch).argmin()),
            "place": float(np.interp(epoch, epochs, numbers)) / max(1, len(epochs) - 1),
        }
        for epoch in LANDMARKS
        if epoch <= epochs[-1]
    ]


def true_grid(pictures: np.ndarray, folder: Path) -> str:
    """Some of the true PICTURES (N, R, R, 3), evenly spaced, as a grid; FOLDER gets it, too."""
    shown = evenly_spaced(pictures, COLUMNS**2)
    save_grid(folder / "true.png", grid(shown, COLUMNS))
    return data_uri(grid(at_most(shown), COLUMNS))


def save_grid(file: Path, pixels: np.ndarray) -> None:
    """Save PIXELS as the PNG FILE."""
    to_image(pixels).save(file, format="PNG", optimize=True)
