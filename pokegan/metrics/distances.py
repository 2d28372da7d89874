"""Distances between sets of features, and the classifier score, in float64.

torch-fidelity computes kernel distance, precision, recall and classifier score. All scores raise a
ValueError for too few rows, rows of different dimensions, NaN or infinity.
"""

import numpy as np
import torch
from scipy.linalg import qr, svdvals
from torch_fidelity import metric_isc, metric_kid, metric_prc

# k of precision and recall (Kynkäänniemi et al. 2019, section 3), of density and coverage (Naeem et
# al. 2020, section 3).
NEIGHBOURS, DENSITY_NEIGHBOURS = 3, 5
# Rows of a distance matrix in memory at once, and largest subset for the kernel distance.
ROWS, SUBSET = 2000, 5000
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

    Unbiased estimate with the kernel (x·y/D + 1)³ (Bińkowski et al. 2018, section 4): the expected
    value for samples of one distribution is 0 for every N, so results can be negative. For
    N ≠ M, and above 5,000 rows, it is the mean over ten random subsets of equal size and fixed
    seed.
    """
    first, second = _checked(first, second, min_rows=2)
    size = min(len(first), len(second), SUBSET)
    found = metric_kid.kid_features_to_metric(
        torch.from_numpy(first),
        torch.from_numpy(second),
        kid_subsets=1 if size == len(first) == len(second) else 10,
        kid_subset_size=size,
        verbose=False,
    )
    return float(found[metric_kid.KEY_METRIC_KID_MEAN])


def precision_recall(fakes: np.ndarray, reals: np.ndarray) -> tuple[float, float]:
    """Share of fakes (N, D) on the manifold of the reals (M, D), and of reals on that of the fakes.

    A manifold is the union of balls that reach from each row to its third neighbour (Kynkäänniemi
    et al. 2019, eq. 1 and 2).
    """
    fakes, reals = _checked(fakes, reals, min_rows=NEIGHBOURS + 1)
    found = metric_prc.prc_features_to_metric(
        torch.from_numpy(fakes),
        torch.from_numpy(reals),
        prc_neighborhood=NEIGHBOURS,
        prc_batch_size=ROWS,
        save_cpu_ram=True,
        verbose=False,
    )
    precision, recall = metric_prc.KEY_METRIC_PRECISION, metric_prc.KEY_METRIC_RECALL
    return float(found[precision]), float(found[recall])


def density_coverage(fakes: np.ndarray, reals: np.ndarray) -> tuple[float, float]:
    """Density of fakes (N, D) around the reals (M, D), and share of reals that have a fake nearby.

    Nearby is a ball that reaches from a real row to its fifth neighbour. Density is the mean number
    of such balls that a fake is in, over five (Naeem et al. 2020, eq. 2 and 3). Samples of one
    distribution have an expected density of 1, and for N = M a coverage of about 1 − 2⁻⁵.
    """
    fakes, reals = _checked(fakes, reals, min_rows=DENSITY_NEIGHBOURS + 1)
    # The first neighbour of a row is the row itself.
    radii = np.sort(pairwise_distances(reals, reals), axis=1)[:, DENSITY_NEIGHBOURS]
    inside = pairwise_distances(reals, fakes) <= radii[:, None]
    density = inside.sum() / (DENSITY_NEIGHBOURS * len(fakes))
    return float(density), float(inside.any(axis=1).mean())


def nearest_distances(features: np.ndarray) -> np.ndarray:
    """Distance (N,) from each row (N, D) to the nearest other row."""
    distances = pairwise_distances(features, features)
    np.fill_diagonal(distances, np.inf)
    nearest: np.ndarray = distances.min(axis=1)
    return nearest


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
    # Probabilities below e^-700 underflow to 0, and 0 · log 0 is NaN.
    values = np.maximum(values, values.max(axis=1, keepdims=True) - 700)
    found = metric_isc.isc_features_to_metric(torch.from_numpy(values), splits=splits)
    return found[metric_isc.KEY_METRIC_ISC_MEAN], found[metric_isc.KEY_METRIC_ISC_STD]


def _checked(first: np.ndarray, second: np.ndarray, min_rows: int) -> tuple[np.ndarray, np.ndarray]:
    for features in (first, second):
        if features.ndim != 2 or len(features) < min_rows:
            raise ValueError(f"at least {min_rows} rows of features are needed on each side")
        if not np.isfinite(features).all():
            raise ValueError("the features contain NaN or infinity")
    if first.shape[1] != second.shape[1]:
        raise ValueError("both sides need features of the same dimension")
    return np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
