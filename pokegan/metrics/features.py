"""Features of true pictures: which pictures they are of, and the file that keeps them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from pokegan.core.errors import PipelineError
from pokegan.metrics.encoding import Encoder, Features

# Precision and recall look at the third neighbour of each.
FEWEST = 4


def halves(count: int, most: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of two random halves of COUNT pictures without a common one, each of at most MOST.

    Raises:
        PipelineError: there are too few pictures for the scores.
    """
    size = min(most, count // 2)
    if size < FEWEST:
        raise PipelineError(
            f"{count} true pictures are too few to score against; at least {2 * FEWEST} are needed."
        )
    # In random order, so that the beginning of a half is a sample of it, too.
    order = np.random.default_rng(seed).permutation(count)
    return order[:size], order[size : 2 * size]


def save_features(
    file: Path, encoder: Encoder, halves: Sequence[np.ndarray], encodings: Sequence[Features]
) -> None:
    """Write what ENCODER says of both HALVES (rows of the data set) into FILE, an .npz."""
    with file.open("wb") as content:
        np.savez(
            content,
            encoder=encoder.name,
            sha256=encoder.sha256,
            rows=np.stack(halves),
            features=np.stack([each.features for each in encodings]),
            logits=np.stack([each.logits for each in encodings]),
        )


def load_features(file: Path, encoder: Encoder) -> tuple[Features, Features]:
    """Both halves as `save_features` wrote them.

    Raises:
        PipelineError: FILE is missing, broken, or of another ENCODER or other weights of it.
    """
    cure = "delete it and run `dvc repro`, which encodes the true pictures again."
    try:
        with np.load(file, allow_pickle=False) as stored:
            name, sha256 = str(stored["encoder"]), str(stored["sha256"])
            features, logits = stored["features"], stored["logits"]
        first, second = (Features(*half) for half in zip(features, logits, strict=True))
    except FileNotFoundError as fault:
        raise PipelineError(
            f"{file} is missing; run `dvc repro`, which makes what a stage needs before it, "
            "or fetch it with `dvc pull`."
        ) from fault
    except (ValueError, KeyError, TypeError, EOFError, OSError, BadZipFile) as fault:
        raise PipelineError(f"{file} holds no features of two halves; {cure}") from fault
    if (name, sha256) != (encoder.name, encoder.sha256):
        raise PipelineError(
            f"{file} holds features of {name} ({sha256[:8]}…), not of {encoder.name} "
            f"({encoder.sha256[:8]}…); {cure}"
        )
    return first, second
