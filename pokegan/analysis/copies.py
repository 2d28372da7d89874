"""Nearest training pictures: how many generated images copy one?"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from pokegan.analysis.subset import evenly_spaced
from pokegan.core.errors import PipelineError
from pokegan.core.files import read_table, round_sig
from pokegan.metrics.encoding import Encoder
from pokegan.metrics.features import load_encoded, save_encoded
from pokegan.metrics.neighbors import distance_blocks, nearest_neighbors

# Images to show: the closest, and others at even ranks, each beside its neighbors.
N_CLOSEST, N_OTHERS, N_NEIGHBORS = 3, 3, 5
CLOSE_QUANTILE = 0.05


class Index(NamedTuple):
    """Features of M training images, and distances to the nearest other training image."""

    features: np.ndarray  # (M, D) float32
    to_own: np.ndarray  # (M,) of the same species; infinite if there is none
    to_others: np.ndarray  # (M,) of another species; infinite if there is none


def find_copies(
    images: np.ndarray, features: np.ndarray, training_images: np.ndarray, index: Index
) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """Find the nearest training images of generated images with features (N, D).

    Returns arrays (distances of all images, and some images with their neighbors) and figures.
    """
    count = min(N_NEIGHBORS, len(training_images))
    distances, rows = nearest_neighbors(features, index.features, count)
    nearest = distances[:, 0]
    shown = select_shown(nearest)
    arrays = {
        "distances": nearest,
        "to_own": index.to_own,
        "to_others": index.to_others,
        "generated": images[shown],
        "neighbours": training_images[rows[shown]],
        "neighbour_distances": distances[shown],
    }
    return arrays, summarize_distances(nearest, index)


def select_shown(distances: np.ndarray) -> np.ndarray:
    """Return the rows of the closest images, then of others at evenly spaced ranks."""
    order = distances.argsort(kind="stable")
    rest = order[N_CLOSEST:]
    return np.concatenate([order[:N_CLOSEST], evenly_spaced(rest, N_OTHERS) if len(rest) else rest])


def summarize_distances(distances: np.ndarray, index: Index) -> dict[str, float]:
    """Compare distances to the nearest training image with those between training images.

    `copies` is the share below the 5 % quantile of the distances between species: about 0.05 if
    the network generates new species. Figures that such a data set does not define are absent.
    """
    figures = {"nearest_median": float(np.median(distances))}
    if np.isfinite(index.to_others).all():
        limit = np.quantile(index.to_others, CLOSE_QUANTILE)
        figures["copies"] = float((distances < limit).mean())
        figures["nearest_median_other_species"] = float(np.median(index.to_others))
    related = index.to_own[np.isfinite(index.to_own)]
    if len(related):
        figures["nearest_median_same_species"] = float(np.median(related))
    return {key: round_sig(value) for key, value in figures.items()}


def nearest_relatives(features: np.ndarray, groups: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distances (M,) to the nearest other row of the same group, and of other groups.

    Infinite where there is no such row.
    """
    numbers = torch.from_numpy(np.unique(groups, return_inverse=True)[1])
    within, outside = [], []
    for start, distances in distance_blocks(features, features):
        distances.diagonal(start).fill_(torch.inf)
        same = numbers[start : start + len(distances), None] == numbers
        within.append(distances.masked_fill(~same, torch.inf).amin(dim=1))
        outside.append(distances.masked_fill_(same, torch.inf).amin(dim=1))
    return torch.cat(within).numpy(), torch.cat(outside).numpy()


def read_species(manifest: Path, count: int, numbered: bool = True) -> np.ndarray:
    """Read the species of each image of a data set: (count,), equal strings for equal species.

    An image without a national number belongs to its source file, as do all images unless
    `numbered`. The manifest of an enlarged set lists the originals, which the set repeats.
    """
    table = read_table(manifest, {"source": str, "national_number": str})
    numbers, files = table["national_number"], table["source"]
    species = (numbers.fillna(files) if numbered else files).to_numpy(dtype=str)
    if not len(species) or count % len(species):
        raise PipelineError(
            f"{manifest} has {len(species)} rows for {count} images; delete it and run `dvc repro`."
        )
    return np.tile(species, count // len(species))


def save_index(path: Path, encoder: Encoder, index: Index) -> None:
    """Write the index of a data set by an encoder."""
    save_encoded(path, encoder, **index._asdict())


def load_index(path: Path, encoder: Encoder, count: int) -> Index:
    """Read the index of a data set of `count` images by an encoder."""
    stored = load_encoded(path, encoder, *Index._fields)
    index = Index(*(stored[name] for name in Index._fields))
    if len(index.features) != count:
        raise PipelineError(
            f"{path} is an index of {len(index.features)} images, not of {count}; "
            "delete it and run `dvc repro`."
        )
    return index
