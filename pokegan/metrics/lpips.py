"""LPIPS, a perceptual distance between two images (Zhang et al. 2018)."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain, islice

import numpy as np
import torch
from torch import Tensor
from torch.linalg import vector_norm

from pokegan.metrics.encoding import map_batches

BATCH_SIZE = 32
PRODUCT = 8  # batches per matrix product, which is slow for a single one

# Maps images, uint8 (N, H, W, 3), to vectors (N, D) whose squared Euclidean distance is LPIPS, in
# fp32 or bf16.
Vectors = Callable[[Tensor], Tensor]


@torch.inference_mode()
def lpips_distances(
    vectors: Vectors,
    queries: np.ndarray,
    images: np.ndarray,
    device: torch.device,
    progress: Callable[[int], object] = lambda done: None,
) -> np.ndarray:
    """Return LPIPS between each query (N, R, R, 3) and each image (M, R, R, 3): float32 (N, M).

    The smaller of two distances counts: that of a query and that of its mirror image.
    `progress` is called with the number of images of each finished batch.
    """
    rows = [_vectors(vectors, each, device) for each in (queries, queries[:, :, ::-1])]
    both = torch.cat(list(chain(*rows)))
    precision = "bf16" if both.dtype == torch.bfloat16 else "ieee"
    both = both.float()
    lengths = vector_norm(both, dim=1, keepdim=True).square()
    columns = []
    batches = _vectors(vectors, images, device)
    while several := list(islice(batches, PRODUCT)):
        batch = torch.cat(several).float()
        with products(precision):
            product = both @ batch.T
        distances = lengths + vector_norm(batch, dim=1).square() - 2 * product
        # Rounding leaves equal images a distance near 0, which can be negative.
        nearer = torch.minimum(*distances.clamp_min_(0).chunk(2))
        columns.append(nearer.cpu())
        progress(len(batch))
    return torch.cat(columns, dim=1).numpy()


@torch.inference_mode()
def lpips_diversity(vectors: Vectors, images: np.ndarray, device: torch.device) -> float:
    """Return the mean LPIPS over all pairs of N ≥ 2 images (N, R, R, 3): 0 if they are equal."""
    rows = torch.cat(list(_vectors(vectors, images, device))).float()
    # The mean over all pairs of squared distances is twice the variance.
    return 2 * float(rows.var(dim=0).sum())


@contextmanager
def products(precision: str) -> Iterator[None]:
    """Compute matrix products of fp32 on a CPU from factors in "bf16", or exactly ("ieee").

    Their sums are fp32. torch's own products of bf16 round the sums, too.
    """
    matmul = torch.backends.mkldnn.matmul  # type: ignore[attr-defined]
    former, matmul.fp32_precision = matmul.fp32_precision, precision
    try:
        yield
    finally:
        matmul.fp32_precision = former


def _vectors(vectors: Vectors, images: np.ndarray, device: torch.device) -> Iterator[Tensor]:
    """Yield the vectors of each batch."""
    starts = range(0, len(images), BATCH_SIZE)
    batches = (images[start : start + BATCH_SIZE].copy() for start in starts)
    return map_batches(vectors, batches, device)
