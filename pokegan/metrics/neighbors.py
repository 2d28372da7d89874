"""Exact nearest-neighbor search among feature vectors."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

BLOCK_ROWS = 1000  # rows of the distance matrix in memory at once


def nearest_neighbors(
    queries: np.ndarray, points: np.ndarray, count: int, exclude_self: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Find the nearest of M points (M, D) to each query (N, D) by Euclidean distance, in float64.

    With `exclude_self`, queries and points are the same, and no row is its own neighbor. Returns
    distances and rows of the points, (N, count) each, nearest first; count is at most M.
    """
    distances, rows = [], []
    first, second = (torch.from_numpy(np.asarray(each, np.float64)) for each in (queries, points))
    for start, block in distance_blocks(queries, points):
        if exclude_self:
            block.diagonal(start).fill_(torch.inf)
        found = block.topk(count, largest=False).indices
        # cdist multiplies matrices, which leaves a rounding error between equal rows.
        offsets = first[start : start + len(block), None] - second[found]
        exact, order = offsets.norm(dim=2).sort(stable=True)
        distances.append(exact)
        rows.append(found.gather(1, order))
    return torch.cat(distances).numpy(), torch.cat(rows).numpy()


def distance_blocks(queries: np.ndarray, points: np.ndarray) -> Iterator[tuple[int, Tensor]]:
    """Yield the first row and the content of each block of the distance matrix, in float64."""
    others = torch.from_numpy(points).double()
    for start in range(0, len(queries), BLOCK_ROWS):
        block = torch.from_numpy(queries[start : start + BLOCK_ROWS]).double()
        yield start, torch.cdist(block, others)
