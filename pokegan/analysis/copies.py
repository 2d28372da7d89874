"""What resembles what: nearest neighbours in the features of an encoder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from zipfile import BadZipFile

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from pokegan.core.errors import PipelineError
from pokegan.metrics.encoding import Encoder

# Rows of a matrix of distances that are held at once.
ROWS = 1000


def nearest(
    points: np.ndarray, features: np.ndarray, count: int, but_itself: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Distances and rows of the COUNT of FEATURES (M, D) nearest to each of POINTS (N, D).

    Both (N, COUNT), nearest first; Euclidean, in float64. BUT_ITSELF: the points are the features,
    and none is its own neighbour.
    """
    found = []
    for start, distances in _parts(points, features):
        if but_itself:
            distances.diagonal(start).fill_(torch.inf)
        found.append(distances.topk(count, largest=False))
    return (
        torch.cat([each.values for each in found]).numpy(),
        torch.cat([each.indices for each in found]).numpy(),
    )


def nearest_relatives(features: np.ndarray, groups: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distance from each of FEATURES (N, D) to the nearest within its group, and outside of it.

    Both (N,); GROUPS (N,) says by equal values what belongs together. Infinite where there is no
    other within, or none outside.
    """
    numbers = torch.from_numpy(np.unique(groups, return_inverse=True)[1])
    within, outside = [], []
    for start, distances in _parts(features, features):
        distances.diagonal(start).fill_(torch.inf)
        alike = numbers[start : start + len(distances), None] == numbers
        within.append(distances.masked_fill(~alike, torch.inf).amin(dim=1))
        outside.append(distances.masked_fill_(alike, torch.inf).amin(dim=1))
    return torch.cat(within).numpy(), torch.cat(outside).numpy()


def _parts(points: np.ndarray, features: np.ndarray) -> Iterator[tuple[int, Tensor]]:
    """The first row of each part of POINTS, and its distances to all FEATURES."""
    others = torch.from_numpy(features).double()
    for start in range(0, len(points), ROWS):
        yield start, torch.cdist(torch.from_numpy(points[start : start + ROWS]).double(), others)


class Index(NamedTuple):
    """N pictures that can be searched, and how far each is from the nearest of the others."""

    features: np.ndarray  # (N, D) float32
    to_own: np.ndarray  # (N,) float64, of its own species; infinite where it is the only one
    to_others: np.ndarray  # (N,) float64, of other species; infinite where there is no other


def read_species(manifest: Path, count: int, numbered: bool = True) -> np.ndarray:
    """The species of each of COUNT pictures: (COUNT,), equal words for the same species.

    A picture whose number MANIFEST does not know is a species with what comes from the same file,
    as all are unless NUMBERED: in names of own pictures a number may mean anything. Pictures beyond
    the manifest's repeat it, as the enlarged ones do.

    Raises:
        PipelineError: MANIFEST is missing, broken, or not of these pictures.
    """
    cure = "delete it and run `dvc repro`, which makes it."
    try:
        table = pd.read_csv(manifest, dtype=str)
        known, files = table["national_number"], table["source"]
        species = (known.fillna(files) if numbered else files).to_numpy(dtype=str)
    except FileNotFoundError as fault:
        raise PipelineError(f"{manifest} is missing; run `dvc repro`, which makes it.") from fault
    except (OSError, ValueError, KeyError) as fault:
        raise PipelineError(f"{manifest} is no readable manifest ({fault}); {cure}") from fault
    if not len(species) or count % len(species):
        raise PipelineError(f"{manifest} has {len(species)} rows for {count} pictures; {cure}")
    return np.tile(species, count // len(species))


def save_index(file: Path, encoder: Encoder, index: Index) -> None:
    """Write INDEX by ENCODER into FILE, an .npz."""
    with file.open("wb") as content:
        np.savez(content, encoder=encoder.name, sha256=encoder.sha256, **index._asdict())


def load_index(file: Path, encoder: Encoder, count: int) -> Index:
    """The index of COUNT pictures that `save_index` wrote.

    Raises:
        PipelineError: FILE is missing, broken, of other pictures, or of another ENCODER.
    """
    cure = "delete it and run `dvc repro`, which makes it."
    try:
        with np.load(file, allow_pickle=False) as stored:
            made_by = str(stored["encoder"]), str(stored["sha256"])
            index = Index(*(stored[name] for name in Index._fields))
    except FileNotFoundError as fault:
        raise PipelineError(f"{file} is missing; run `dvc repro`, which makes it.") from fault
    except (ValueError, KeyError, TypeError, EOFError, OSError, BadZipFile) as fault:
        raise PipelineError(f"{file} is no index of pictures; {cure}") from fault
    if made_by != (encoder.name, encoder.sha256) or len(index.features) != count:
        raise PipelineError(
            f"{file} is an index of {len(index.features)} pictures by {made_by[0]} "
            f"({made_by[1][:8]}…), not of {count} by {encoder.name} ({encoder.sha256[:8]}…); {cure}"
        )
    return index
