"""Distances between sets of features, and the classifier score, in float64.

torch-fidelity does the arithmetic; the Fréchet distance is our own, since a matrix root of
D×D is slow and may turn complex where there are fewer pictures than dimensions.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.linalg import qr, svdvals
from torch_fidelity.metric_isc import (
    KEY_METRIC_ISC_MEAN,
    KEY_METRIC_ISC_STD,
    isc_features_to_metric,
)
from torch_fidelity.metric_kid import KEY_METRIC_KID_MEAN, kid_features_to_metric
from torch_fidelity.metric_prc import (
    KEY_METRIC_PRECISION,
    KEY_METRIC_RECALL,
    prc_features_to_metric,
)

# Of precision and recall; Kynkäänniemi et al. 2019, section 3.
NEIGHBOURS = 3
# Rows of a matrix of distances that are held at once, and pictures of one kernel matrix.
ROWS, KERNEL = 2000, 5000


def frechet_distance(first: np.ndarray, second: np.ndarray) -> float:
    """Fréchet distance of the Gaussians of two sets of features, (N, D) and (M, D).

    |μ₁ − μ₂|² + tr Σ₁ + tr Σ₂ − 2 tr (Σ₁Σ₂)^½ (Dowson & Landau 1982; Heusel et al. 2017,
    eq. 6). The last trace is the sum of the singular values of Σ₁^½ Σ₂^½, so with Σ = XᵀX of
    the centred, scaled features X it is that of X₁X₂ᵀ: no matrix root, no complex number, and
    no D×D matrix where there are fewer pictures than dimensions. May be negative by rounding.

    Raises:
        ValueError: fewer than two rows, different D, or NaN or infinity among the features.
    """
    first, second = _checked(first, second, at_least=2)
    roots, means = [], []
    for values in (first, second):
        means.append(values.mean(axis=0))
        root = (values - means[-1]) / np.sqrt(len(values) - 1)
        # R of QR has the same RᵀR and at most D rows.
        roots.append(qr(root, mode="r")[0][: root.shape[1]] if len(root) > root.shape[1] else root)
    shift = means[0] - means[1]
    overlap = svdvals(roots[0] @ roots[1].T).sum()
    return float(shift @ shift + (roots[0] ** 2).sum() + (roots[1] ** 2).sum() - 2 * overlap)


def kernel_distance(first: np.ndarray, second: np.ndarray) -> float:
    """Squared maximum mean discrepancy of two sets of features, (N, D) each.

    Kernel (x·y/D + 1)³, unbiased (Bińkowski et al. 2018, section 4): around 0 for two draws of
    the same, whatever N, and negative as often as not. Over all pictures at once; of more than
    5000 the mean of ten random subsets, always the same.

    Raises:
        ValueError: as of `frechet_distance`, or different N.
    """
    first, second = _checked(first, second, at_least=2)
    if len(first) != len(second):
        raise ValueError("a kernel distance needs as many rows of features on each side")
    found = kid_features_to_metric(
        torch.from_numpy(first),
        torch.from_numpy(second),
        kid_subsets=1 if len(first) <= KERNEL else 10,
        kid_subset_size=min(len(first), KERNEL),
        verbose=False,
    )
    return float(found[KEY_METRIC_KID_MEAN])


def precision_recall(fakes: np.ndarray, reals: np.ndarray) -> tuple[float, float]:
    """Share of FAKES (N, D) among REALS (M, D), and share of REALS among FAKES.

    Among: within the distance of one of them to its third neighbour (Kynkäänniemi et al. 2019,
    eq. 1 and 2).

    Raises:
        ValueError: fewer than four rows, different D, or NaN or infinity among the features.
    """
    fakes, reals = _checked(fakes, reals, at_least=NEIGHBOURS + 1)
    found = prc_features_to_metric(
        torch.from_numpy(fakes),
        torch.from_numpy(reals),
        prc_neighborhood=NEIGHBOURS,
        prc_batch_size=ROWS,
        save_cpu_ram=True,
        verbose=False,
    )
    return float(found[KEY_METRIC_PRECISION]), float(found[KEY_METRIC_RECALL])


def nearest_distances(features: np.ndarray) -> np.ndarray:
    """Euclidean distance from each row of FEATURES (N, D) to the nearest other one: (N,).

    Raises:
        ValueError: fewer than two rows, or NaN or infinity among the features.
    """
    values, _ = _checked(features, features, at_least=2)
    rows, nearest = torch.from_numpy(values), []
    for start in range(0, len(rows), ROWS):
        # Exact for equal rows, where the fast way by products leaves rounding of large numbers.
        apart = torch.cdist(
            rows[start : start + ROWS], rows, compute_mode="donot_use_mm_for_euclid_dist"
        )
        apart.diagonal(start).fill_(torch.inf)
        nearest.append(apart.min(dim=1).values)
    return torch.cat(nearest).numpy()


def classifier_score(logits: np.ndarray, splits: int) -> tuple[float, float]:
    """Mean and spread over SPLITS of exp E KL(p(y|x) ‖ p(y)), from LOGITS (N, C).

    The formula of the Inception Score (Salimans et al. 2016, section 4) on any classifier; it
    lies between 1 and C, and shrinks with the pictures in a split. The rows are shuffled first,
    always in the same way.

    Raises:
        ValueError: fewer pictures than splits, or NaN or infinity among the logits.
    """
    if len(logits) < splits:
        raise ValueError(f"{len(logits)} pictures cannot be parted into {splits} splits")
    values, _ = _checked(logits, logits, at_least=1)
    # A class that is less likely than e^-700 counts as that: exp would give 0, and 0·log 0 NaN.
    values = np.maximum(values, values.max(axis=1, keepdims=True) - 700)
    found = isc_features_to_metric(torch.from_numpy(values), splits=splits)
    return found[KEY_METRIC_ISC_MEAN], found[KEY_METRIC_ISC_STD]


def _checked(first: np.ndarray, second: np.ndarray, at_least: int) -> tuple[np.ndarray, np.ndarray]:
    for features in (first, second):
        if features.ndim != 2 or len(features) < at_least:
            raise ValueError(f"at least {at_least} rows of features are needed on each side")
        if not np.isfinite(features).all():
            raise ValueError("the features hold NaN or infinity")
    if first.shape[1] != second.shape[1]:
        raise ValueError("both sides need features of the same dimension")
    return np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
