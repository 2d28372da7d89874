"""Load data sets: one ``.npy`` with all images, in the order of the manifest."""

from pathlib import Path

import numpy as np

from pokegan.core.errors import PipelineError
from pokegan.core.files import reading


def load_images(path: Path) -> np.ndarray:
    """Return the images of a data set, uint8 (N, R, R, 3), memory-mapped and read-only."""
    with reading(path):
        images: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
    square = images.ndim == 4 and images.shape[1] == images.shape[2]
    if not square or images.shape[3] != 3 or images.dtype != np.uint8 or not len(images):
        raise PipelineError(
            f"{path} holds {images.dtype} of shape {images.shape}, but images are uint8 of shape "
            "(N, R, R, 3); delete it and run `dvc repro`."
        )
    return images


def check_resolution(path: Path, found: int, expected: int) -> None:
    """Raise a PipelineError unless images have the resolution that a network was trained at."""
    if found != expected:
        raise PipelineError(
            f"{path} holds images of {found}×{found} pixels, but the network was trained at "
            f"{expected}×{expected}; run `dvc repro` to bring both to one resolution."
        )
