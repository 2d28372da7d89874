"""Distances between sets of features, and the classifier score, in float64.

All raise a ValueError for too few rows, rows of different dimensions, NaN or infinity. Tests
compare them with torch-fidelity, whose import takes a second.
"""

from collections.abc import Iterator

import numpy as np
import torch
from scipy.linalg import qr, svdvals
from scipy.special import rel_entr, softmax

# k of precision and recall (Kynkäänniemi et al. 2019, section 3), of density and coverage (Naeem et
# al. 2020, section 3).
NEIGHBOURS, DENSITY_NEIGHBOURS = 3, 5
ROWS = 2000  # of a square matrix in memory at once
# Sizes of the subsets for the extrapolation, and relative rounding error of a Fréchet distance.
SUBSETS, ROUNDING = 5, 1e-9


def frechet_distance(first: np.ndarray, second: np.ndarray) -> float:
    """Fréchet distance between Gaussians fitted to two sets of features, (N, D) and (M, D).

    |μ₁ − μ₂|² + tr Σ₁ + tr Σ₂ − 2 tr (Σ₁Σ₂)^½ (Dowson and Landau 1982; Heusel et al. 2017, eq. 6).
    The last trace is the sum of the singular values of Σ₁^½ Σ₂^½. With Σ = XᵀX, where X are the
    centered features over √(N − 1), these are the singular values of X₁X₂ᵀ. This avoids the D×D
    matrix root, which is slow, and complex for fewer images than dimensions. A result below the
    rounding error is 0.
    """
    first, second = _checked(first, second, min_rows=2)
    roots, means = [], []
    for values in (first, second):
        means.append(values.mean(axis=0))
        root = (values - means[-1]) / np.sqrt(len(values) - 1)
        # RᵀR of the QR decomposition equals XᵀX, and R has at most D rows.
        roots.append(qr(root, mode="r")[0][: root.shape[1]] if len(root) > root.shape[1] else root)
    shift = means[0] - means[1]
    overlap = svdvals(roots[0] @ roots[1].T).sum()
    total = float(shift @ shift + (roots[0] ** 2).sum() + (roots[1] ** 2).sum())
    distance = total - 2 * float(overlap)
    return distance if distance > ROUNDING * total else 0.0


def frechet_distance_infinity(fakes: np.ndarray, reals: np.ndarray) -> float:
    """Fréchet distance between fakes (N, D) and reals (M, D), extrapolated to N → ∞.

    The distance of N fakes exceeds that of infinitely many by about c/N. The result is the
    intercept of a line through the distances of random subsets over 1/N (Chong and Forsyth 2020,
    section 3). The bias of M reals remains.
    """
    rng = np.random.default_rng(0)
    sizes = np.linspace(len(fakes) / 3, len(fakes), SUBSETS).astype(int)
    found = [frechet_distance(fakes[rng.permutation(len(fakes))[:n]], reals) for n in sizes]
    return float(np.polyfit(1 / sizes, found, 1)[1])


def kernel_distance(first: np.ndarray, second: np.ndarray) -> float:
    """Squared maximum mean discrepancy between two sets of features, (N, D) and (M, D).

    Unbiased estimate with the kernel (x·y/D + 1)³, from all pairs of different rows (Bińkowski et
    al. 2018, section 4): the expected value for samples of one distribution is 0 for every N and M,
    so results can be negative.
    """
    first, second = _checked(first, second, min_rows=2)
    within = 0.0
    for rows in (first, second):
        own = _kernel((rows**2).sum(axis=1), rows.shape[1]).sum()
        within += (_kernel_sum(rows, rows) - own) / (len(rows) * (len(rows) - 1))
    return float(within - 2 * _kernel_sum(first, second) / (len(first) * len(second)))


def _kernel_sum(first: np.ndarray, second: np.ndarray) -> float:
    blocks = _blocks(first)
    return float(sum(_kernel(block @ second.T, second.shape[1]).sum() for block in blocks))


def _kernel(products: np.ndarray, dimension: int) -> np.ndarray:
    kernel: np.ndarray = (products / dimension + 1) ** 3
    return kernel


def manifold_scores(
    between: np.ndarray, fakes_nearest: np.ndarray, reals_nearest: np.ndarray
) -> dict[str, float]:
    """Precision, recall, density and coverage.

    A manifold is the union of balls around the rows of a set that reach to the third neighbor of
    each. Precision is the share of fakes on the manifold of the reals, recall the share of reals on
    that of the fakes (Kynkäänniemi et al. 2019, eq. 1 and 2).

    Nearby is a ball around a real row that reaches to its fifth neighbor. Density is the mean
    number of such balls that a fake is in, over five, coverage the share of balls with a fake
    (Naeem et al. 2020, eq. 2 and 3). Samples of one distribution have an expected density of 1, and
    for N = M a coverage of about 1 − 2⁻⁵.

    Args:
        between: distances (N, M) from each fake to each real row.
        fakes_nearest: `nearest_distances` of the fakes, (N, 5).
        reals_nearest: `nearest_distances` of the reals, (M, 5).
    """
    fakes_radii, reals_radii = (each[:, NEIGHBOURS - 1] for each in (fakes_nearest, reals_nearest))
    nearby = between <= reals_nearest[:, DENSITY_NEIGHBOURS - 1]
    return {
        "precision": float((between <= reals_radii).any(axis=1).mean()),
        "recall": float((between <= fakes_radii[:, None]).any(axis=0).mean()),
        "density": float(nearby.sum() / (DENSITY_NEIGHBOURS * len(between))),
        "coverage": float(nearby.any(axis=0).mean()),
    }


def nearest_distances(features: np.ndarray) -> np.ndarray:
    """Distances (N, 5) from each row (N, D) to its five nearest other rows, ascending."""
    features, _ = _checked(features, features, min_rows=DENSITY_NEIGHBOURS + 1)
    nearest = [
        np.partition(pairwise_distances(block, features), DENSITY_NEIGHBOURS, axis=1)
        for block in _blocks(features)
    ]
    rows = np.concatenate([each[:, : DENSITY_NEIGHBOURS + 1] for each in nearest])
    # The first is the distance to the row itself.
    return np.sort(rows, axis=1)[:, 1:]


def pairwise_distances(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Euclidean distances (N, M) between rows (N, D) and (M, D), 0 between equal rows."""
    x, y = (torch.from_numpy(np.asarray(each, np.float64)) for each in (first, second))
    # By differences: a matrix product leaves a rounding error between equal rows.
    found: np.ndarray = torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist").numpy()
    return found


def classifier_score(logits: np.ndarray, splits: int) -> tuple[float, float]:
    """Mean and standard deviation over splits of exp E KL(p(y|x) ‖ p(y)), from logits (N, C).

    The formula of the Inception Score (Salimans et al. 2016, section 4) for any classifier. The
    result is between 1 and C, and decreases with the size of a split. Rows are shuffled first, with
    a fixed seed.
    """
    if len(logits) < splits:
        raise ValueError(f"{len(logits)} images are fewer than {splits} splits")
    values, _ = _checked(logits, logits, min_rows=1)
    probabilities = softmax(np.random.default_rng(0).permutation(values), axis=1)
    scores = [
        np.exp(rel_entr(part, part.mean(axis=0)).sum(axis=1).mean())
        for part in np.array_split(probabilities, splits)
    ]
    return float(np.mean(scores)), float(np.std(scores))


def _blocks(features: np.ndarray) -> Iterator[np.ndarray]:
    return (features[start : start + ROWS] for start in range(0, len(features), ROWS))


def _checked(first: np.ndarray, second: np.ndarray, min_rows: int) -> tuple[np.ndarray, np.ndarray]:
    for features in (first, second):
        if features.ndim != 2 or len(features) < min_rows:
            raise ValueError(f"at least {min_rows} rows of features are needed on each side")
        if not np.isfinite(features).all():
            raise ValueError("the features contain NaN or infinity")
    if first.shape[1] != second.shape[1]:
        raise ValueError("both sides need features of the same dimension")
    return np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
