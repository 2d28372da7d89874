"""A data set is one packed array: (N, R, R, 3) uint8 in a .npy, rows as in its manifest."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pokegan.core.errors import PipelineError


def load_images(path: Path) -> np.ndarray:
    """The pictures in PATH: (N, R, R, 3) uint8, memory-mapped and read-only.

    Raises:
        PipelineError: PATH is missing, broken, or holds something else.
    """
    try:
        pictures: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError as fault:
        raise PipelineError(
            f"{path} is missing; run `dvc repro`, which makes what a stage needs before it, "
            "or fetch it with `dvc pull`."
        ) from fault
    except (ValueError, EOFError, OSError) as fault:
        raise PipelineError(
            f"{path} cannot be read as an array ({fault}); delete it and run `dvc repro`."
        ) from fault
    square = pictures.ndim == 4 and pictures.shape[1] == pictures.shape[2]
    if not square or pictures.shape[3] != 3 or pictures.dtype != np.uint8 or not len(pictures):
        raise PipelineError(
            f"{path} holds {pictures.dtype} of shape {pictures.shape}, but square pictures "
            "(N, R, R, 3) of uint8 are needed; delete it and run `dvc repro`."
        )
    return pictures


def check_resolution(pictures: Path, side: int, resolution: int) -> None:
    """Raise a PipelineError unless PICTURES have the SIDE that a network was trained at."""
    if side != resolution:
        raise PipelineError(
            f"{pictures} holds pictures of {side} pixels a side, but the network was trained on "
            f"{resolution}; run `dvc repro`, which makes both of one size."
        )
