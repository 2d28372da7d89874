"""Distances between sets of features, and the classifier score. Plain arithmetic in float64."""

from __future__ import annotations

import numpy as np
from scipy.linalg import qr, svdvals
from scipy.special import log_softmax


def frechet_distance(first: np.ndarray, second: np.ndarray) -> float:
    """Fréchet distance of the Gaussians of two sets of features, (N, D) and (M, D).

    |μ₁ − μ₂|² + tr Σ₁ + tr Σ₂ − 2 tr (Σ₁Σ₂)^½ (Dowson & Landau 1982; Heusel et al. 2017,
    eq. 6). The last trace is the sum of the singular values of Σ₁^½ Σ₂^½, so with Σ = XᵀX of
    the centred, scaled features X it is that of X₁X₂ᵀ: no matrix root, no complex number, and
    no D×D matrix where there are fewer pictures than dimensions. May be negative by rounding.

    Raises:
        ValueError: fewer than two rows, different D, or NaN or infinity among the features.
    """
    roots, means = [], []
    for features in (first, second):
        if features.ndim != 2 or len(features) < 2:
            raise ValueError("a Fréchet distance needs at least two rows of features on each side")
        values = np.asarray(features, dtype=np.float64)
        if not np.isfinite(values).all():
            raise ValueError("the features hold NaN or infinity")
        means.append(values.mean(axis=0))
        root = (values - means[-1]) / np.sqrt(len(values) - 1)
        # R of QR has the same RᵀR and at most D rows.
        roots.append(qr(root, mode="r")[0][: root.shape[1]] if len(root) > root.shape[1] else root)
    if means[0].shape != means[1].shape:
        raise ValueError("both sides need features of the same dimension")
    shift = means[0] - means[1]
    overlap = svdvals(roots[0] @ roots[1].T).sum()
    return float(shift @ shift + (roots[0] ** 2).sum() + (roots[1] ** 2).sum() - 2 * overlap)


def classifier_score(logits: np.ndarray, splits: int) -> tuple[float, float]:
    """Mean and spread over SPLITS of exp E KL(p(y|x) ‖ p(y)), from LOGITS (N, C).

    The formula of the Inception Score (Salimans et al. 2016, section 4) on any classifier; it
    lies between 1 and C.

    Raises:
        ValueError: fewer pictures than splits.
    """
    if len(logits) < splits:
        raise ValueError(f"{len(logits)} pictures cannot be parted into {splits} splits")
    scores = []
    for part in np.array_split(np.asarray(logits, dtype=np.float64), splits):
        log_given = log_softmax(part, axis=1)
        given = np.exp(log_given)
        marginal = given.mean(axis=0)
        # 0·log 0 counts as 0, as in the limit.
        log_marginal = np.log(marginal, out=np.zeros_like(marginal), where=marginal > 0)
        divergence = (given * (np.where(given > 0, log_given, 0) - log_marginal)).sum(axis=1)
        scores.append(np.exp(divergence.mean()))
    return float(np.mean(scores)), float(np.std(scores))
