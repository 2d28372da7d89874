"""Nearest training pictures: how many generated images copy one?"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from pokegan.analysis.subset import evenly_spaced
from pokegan.core.errors import PipelineError
from pokegan.core.files import read_table, round_sig
from pokegan.metrics.lpips import Vectors, lpips_distances

# Largest number of generated images to search for, and of training images to compare with.
MAX_SEARCHED = 200
# Images to show: the closest, and others at even ranks, each beside its neighbors.
N_CLOSEST, N_OTHERS, N_NEIGHBORS = 3, 3, 5
CLOSE_QUANTILE = 0.05


def find_copies(
    images: np.ndarray,
    training_images: np.ndarray,
    species: np.ndarray,
    vectors: Vectors,
    device: torch.device,
    progress: Callable[[int], object] = lambda done: None,
) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """Find the training images, each of a species, that are nearest to generated images by LPIPS.

    Returns arrays (distances of all images; those of as many training images to the nearest other
    of their own and of another species, infinite if there is none; some images with their
    neighbors) and figures.
    """
    rows = evenly_spaced(np.arange(len(training_images)), len(images))
    queries = np.concatenate([images, training_images[rows]])
    distances = lpips_distances(vectors, queries, training_images, device, progress)
    fakes, reals = distances[: len(images)], distances[len(images) :]
    reals[np.arange(len(rows)), rows] = np.inf
    related = species[rows, None] == species
    to_own = np.where(related, reals, np.inf).min(axis=1)
    to_others = np.where(related, np.inf, reals).min(axis=1)
    nearest = fakes.argsort(axis=1, kind="stable")[:, :N_NEIGHBORS]
    found = np.take_along_axis(fakes, nearest, axis=1)
    shown = select_shown(found[:, 0])
    arrays = {
        "distances": found[:, 0],
        "to_own": to_own,
        "to_others": to_others,
        "generated": images[shown],
        "neighbours": training_images[nearest[shown]],
        "neighbour_distances": found[shown],
    }
    return arrays, summarize_distances(found[:, 0], to_own, to_others)


def select_shown(distances: np.ndarray) -> np.ndarray:
    """Return the rows of the closest images, then of others at evenly spaced ranks."""
    order = distances.argsort(kind="stable")
    rest = order[N_CLOSEST:]
    return np.concatenate([order[:N_CLOSEST], evenly_spaced(rest, N_OTHERS) if len(rest) else rest])


def summarize_distances(
    distances: np.ndarray, to_own: np.ndarray, to_others: np.ndarray
) -> dict[str, float]:
    """Compare distances to the nearest training image with those between training images.

    `copies` is the share below the 5 % quantile of the distances between species: about 0.05 if
    the network generates new species. Figures that such a data set does not define are absent.
    """
    figures = {"nearest_median": float(np.median(distances))}
    if np.isfinite(to_others).all():
        limit = np.quantile(to_others, CLOSE_QUANTILE)
        figures["copies"] = float((distances < limit).mean())
        figures["nearest_median_other_species"] = float(np.median(to_others))
    related = to_own[np.isfinite(to_own)]
    if len(related):
        figures["nearest_median_same_species"] = float(np.median(related))
    return {key: round_sig(value) for key, value in figures.items()}


def read_species(manifest: Path, count: int, numbered: bool = True) -> tuple[np.ndarray, int]:
    """Read the species of each image of a data set: (count,), equal strings for equal species.

    Returns the species, and how many of the images are originals.

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
    return np.tile(species, count // len(species)), len(species)
