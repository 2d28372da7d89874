"""Nearest training pictures: how many generated images copy one?"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from pokegan.analysis.subset import evenly_spaced
from pokegan.core.errors import PipelineError
from pokegan.core.files import load_arrays, read_table, round_sig, save_arrays
from pokegan.metrics.encoding import Encoder
from pokegan.metrics.neighbors import distance_blocks, nearest_neighbors

# The images to show: the closest, and others at even ranks; each beside its neighbors.
N_CLOSEST, N_OTHERS, N_NEIGHBORS = 3, 3, 5
CLOSE_QUANTILE = 0.05


class Index(NamedTuple):
    """Features of the training pictures, and distances to the nearest other training picture."""

    features: np.ndarray  # (M, D) float32
    to_own: np.ndarray  # (M,) within the species; infinite if there is no other picture of it
    to_others: np.ndarray  # (M,) to other species; infinite if there is none


def find_copies(
    images: np.ndarray, features: np.ndarray, training_images: np.ndarray, index: Index
) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """Find the nearest training pictures of generated images.

    Args:
        images: generated images, uint8 (N, R, R, 3).
        features: their features, (N, D).
        training_images: uint8 (M, R, R, 3).
        index: of the training images, by the same encoder.

    Returns:
        Arrays (distances of all images, and some images with their neighbors) and figures.
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
    return arrays, copy_figures(nearest, index)


def select_shown(distances: np.ndarray) -> np.ndarray:
    """Return the rows of the closest images, then of others at evenly spaced ranks."""
    order = distances.argsort(kind="stable")
    rest = order[N_CLOSEST:]
    return np.concatenate([order[:N_CLOSEST], evenly_spaced(rest, N_OTHERS) if len(rest) else rest])


def copy_figures(distances: np.ndarray, index: Index) -> dict[str, float]:
    """Summarize the distances of generated images to their nearest training pictures.

    `copies` is the share that is closer than the 5 % quantile of the distances between species:
    about 0.05 if the network generates new species. Figures that such a data set does not define
    are absent.
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
    """Return each row's distance to the nearest other row of its group, and of other groups.

    Args:
        features: (M, D).
        groups: (M,) labels.

    Returns:
        Two arrays (M,); infinite where there is no such row.
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
    """Read the species of each picture of a data set: (count,), equal strings for equal species.

    Args:
        manifest: CSV of the pictures, or of the originals that an enlarged set repeats.
        count: number of pictures.
        numbered: species are national numbers; else, or without a number, each source file is one.

    Raises:
        PipelineError: the manifest is missing, damaged or of another data set.
    """
    table = read_table(manifest, {"source": str, "national_number": str})
    numbers, files = table["national_number"], table["source"]
    species = (numbers.fillna(files) if numbered else files).to_numpy(dtype=str)
    if not len(species) or count % len(species):
        raise PipelineError(
            f"{manifest} has {len(species)} rows for {count} pictures; "
            "delete it and run `dvc repro`."
        )
    return np.tile(species, count // len(species))


def save_index(path: Path, encoder: Encoder, index: Index) -> None:
    """Write an index and its encoder's name and checksum as ``.npz``."""
    save_arrays(path, encoder=encoder.name, sha256=encoder.sha256, **index._asdict())


def load_index(path: Path, encoder: Encoder, count: int) -> Index:
    """Read an index that `save_index` wrote.

    Raises:
        PipelineError: the file is missing, damaged, or of other pictures or another encoder.
    """
    stored = load_arrays(path, "encoder", "sha256", *Index._fields)
    name, sha256 = (str(stored.pop(key)) for key in ("encoder", "sha256"))
    index = Index(**stored)
    if (name, sha256) != (encoder.name, encoder.sha256) or len(index.features) != count:
        raise PipelineError(
            f"{path} is an index of {len(index.features)} pictures by {name} ({sha256[:8]}…), not "
            f"of {count} by {encoder.name} ({encoder.sha256[:8]}…); delete it and run `dvc repro`."
        )
    return index
