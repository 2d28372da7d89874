"""Features of two halves of the real images, and the file that stores them."""

from pathlib import Path
from typing import Any

import numpy as np

from pokegan.core.errors import PipelineError
from pokegan.core.files import load_arrays, reading, save_arrays
from pokegan.metrics.distances import DENSITY_NEIGHBOURS
from pokegan.metrics.encoding import Encoder, Features

# Density and coverage need the fifth neighbour of each image.
MIN_IMAGES = DENSITY_NEIGHBOURS + 1


def halves(count: int, max_size: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Sample two disjoint sets of equal size, at most `max_size`, from the rows of a data set."""
    size = min(max_size, count // 2)
    if size < MIN_IMAGES:
        raise PipelineError(
            f"{count} real images are too few for scores; at least {2 * MIN_IMAGES} are needed."
        )
    # The order stays random: the first rows of a set are a random sample, too.
    order = np.random.default_rng(seed).permutation(count)
    return order[:size], order[size : 2 * size]


def save_features(
    file: Path,
    encoder: Encoder,
    rows: tuple[np.ndarray, np.ndarray],
    features: tuple[Features, Features],
) -> None:
    """Write the features of two halves, and their rows in the data set."""
    columns: Any = {n: [getattr(each, n) for each in features] for n in ("features", "logits")}
    save_arrays(file, encoder=encoder.name, sha256=encoder.sha256, rows=np.stack(rows), **columns)


def load_features(file: Path, encoder: Encoder) -> tuple[Features, Features]:
    """Read the features of both halves.

    Raises:
        PipelineError: the file is missing, cannot be read, or is by another encoder.
    """
    stored = load_arrays(file, "encoder", "sha256", "features", "logits")
    name, sha256 = str(stored["encoder"]), str(stored["sha256"])
    if (name, sha256) != (encoder.name, encoder.sha256):
        raise PipelineError(
            f"{file} holds features of {name} ({sha256[:8]}…), not of {encoder.name} "
            f"({encoder.sha256[:8]}…); delete it and run `dvc repro`."
        )
    with reading(file):
        first, second = map(Features, stored["features"], stored["logits"])
    return first, second
