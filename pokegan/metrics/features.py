"""Features of two halves of the real images, and the file that stores them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pokegan.core.errors import PipelineError
from pokegan.core.files import load_arrays, reading, save_arrays
from pokegan.metrics.distances import DENSITY_NEIGHBOURS
from pokegan.metrics.encoding import Encoder, Features

# Density and coverage need the fifth neighbour of each image.
MIN_IMAGES = DENSITY_NEIGHBOURS + 1
KINDS = ("features", "logits")


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
    rows: tuple[np.ndarray, np.ndarray],
    features: Mapping[Encoder, tuple[Features, Features]],
) -> None:
    """Write the rows of two halves in the data set, and their features by each encoder."""
    arrays: Any = {"rows": np.stack(rows)}
    for encoder, halves in features.items():
        arrays[f"{encoder.name}_sha256"] = encoder.sha256
        for kind in KINDS:
            arrays[f"{encoder.name}_{kind}"] = [getattr(each, kind) for each in halves]
    save_arrays(file, **arrays)


def load_features(file: Path, encoder: Encoder) -> tuple[Features, Features]:
    """Read the features of both halves by an encoder.

    Raises:
        PipelineError: the file is missing, cannot be read, or its features are by other weights.
    """
    name = encoder.name
    stored = load_arrays(file, f"{name}_sha256", *(f"{name}_{kind}" for kind in KINDS))
    sha256 = str(stored[f"{name}_sha256"])
    if sha256 != encoder.sha256:
        raise PipelineError(
            f"{file} holds features by other weights of {name} ({sha256[:8]}…, not "
            f"{encoder.sha256[:8]}…); delete it and run `dvc repro`."
        )
    with reading(file):
        first, second = map(Features, *(stored[f"{name}_{kind}"] for kind in KINDS))
    return first, second
