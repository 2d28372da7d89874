import numpy as np
import pytest
import scipy.linalg
import torch
from torchmetrics.image.fid import FrechetInceptionDistance

from stages.scoring.distances import classifier_score, frechet_distance

RNG = np.random.default_rng(0)


def with_moments(mean: np.ndarray, deviations: np.ndarray) -> np.ndarray:
    """Rows whose sample mean is MEAN and whose sample covariance is exactly diag(DEVIATIONS²)."""
    d = len(mean)
    rows = np.concatenate([np.eye(d), -np.eye(d)]) * np.sqrt((2 * d - 1) / 2)
    return rows * deviations + mean


ONE, ZERO = np.ones(64), np.zeros(64)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (with_moments(ZERO, ONE), with_moments(ZERO, ONE), 0),
        (with_moments(ZERO, ONE), with_moments(3 * np.eye(64)[0], ONE), 9),
        (with_moments(ZERO, ONE), with_moments(ZERO, 2 * ONE), 64),
        (with_moments(ZERO, ZERO), with_moments(ZERO, ONE), 64),
        (with_moments(ZERO, ZERO), with_moments(2 * np.eye(64)[0], ZERO), 4),
    ],
)
def test_closed_forms(first: np.ndarray, second: np.ndarray, expected: float) -> None:
    assert frechet_distance(first, second) == pytest.approx(expected, abs=1e-8)


def test_commuting_diagonals() -> None:
    """Σ (√a − √b)² for diagonal covariances a, b."""
    a, b = RNG.uniform(0.1, 3, 64), RNG.uniform(0.1, 3, 64)
    first, second = with_moments(ZERO, np.sqrt(a)), with_moments(ZERO, np.sqrt(b))
    expected = ((np.sqrt(a) - np.sqrt(b)) ** 2).sum()
    assert frechet_distance(first, second) == pytest.approx(expected, rel=1e-9)


def test_rank_one() -> None:
    """uuᵀ and vvᵀ: |u|² + |v|² − 2|u·v|."""
    u, v = RNG.normal(size=(2, 50))
    first, second = (np.array([-w, w]) / np.sqrt(2) for w in (u, v))
    expected = u @ u + v @ v - 2 * abs(u @ v)
    assert frechet_distance(first, second) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("n", "m", "d"), [(300, 200, 40), (30, 25, 100), (30, 200, 100)])
def test_against_a_matrix_root(n: int, m: int, d: int) -> None:
    """Full rank and fewer rows than dimensions, against eigenvalues of Σ₁^½ Σ₂ Σ₁^½."""
    mix = RNG.normal(size=(d, d))
    first, second = RNG.normal(size=(n, d)) @ mix, RNG.normal(size=(m, d)) * 2 + 0.3
    c1, c2 = np.cov(first.T), np.cov(second.T)
    values, vectors = scipy.linalg.eigh(c1)
    root = vectors * np.sqrt(values.clip(0)) @ vectors.T
    overlap = np.sqrt(scipy.linalg.eigvalsh(root @ c2 @ root).clip(0)).sum()
    shift = first.mean(0) - second.mean(0)
    expected = shift @ shift + np.trace(c1) + np.trace(c2) - 2 * overlap
    assert frechet_distance(first, second) == pytest.approx(expected, rel=1e-6)
    assert frechet_distance(second, first) == pytest.approx(expected, rel=1e-6)


def test_it_does_not_feel_a_rotation_or_an_order() -> None:
    first, second = RNG.normal(size=(50, 20)), RNG.normal(size=(60, 20)) * 1.5
    turn = scipy.linalg.qr(RNG.normal(size=(20, 20)))[0]
    expected = frechet_distance(first, second)
    assert frechet_distance(first @ turn, second @ turn) == pytest.approx(expected, rel=1e-9)
    assert frechet_distance(RNG.permutation(first), second) == pytest.approx(expected, rel=1e-9)


def test_against_torchmetrics() -> None:
    class Given(torch.nn.Module):
        num_features = 30

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.flatten(1).double()

    first, second = RNG.normal(size=(40, 30)), RNG.normal(size=(45, 30)) * 1.3 + 0.2
    metric = FrechetInceptionDistance(feature=Given(), normalize=True, input_img_size=(3, 2, 5))
    metric.set_dtype(torch.float64)
    for features, real in ((first, True), (second, False)):
        metric.update(torch.from_numpy(features).reshape(-1, 3, 2, 5), real=real)
    assert frechet_distance(first, second) == pytest.approx(float(metric.compute()), rel=1e-4)


def test_bad_features_are_refused() -> None:
    good = RNG.normal(size=(5, 3))
    with pytest.raises(ValueError, match="at least two"):
        frechet_distance(good[:1], good)
    with pytest.raises(ValueError, match="NaN"):
        frechet_distance(np.full((3, 3), np.nan), good)
    with pytest.raises(ValueError, match="same dimension"):
        frechet_distance(good, RNG.normal(size=(5, 4)))


def test_classifier_score_of_known_predictions() -> None:
    certain = 200 * np.eye(10)
    assert classifier_score(np.zeros((20, 10)), 1) == pytest.approx((1, 0))
    assert classifier_score(np.repeat(certain[:1], 20, axis=0), 4) == pytest.approx((1, 0))
    assert classifier_score(np.repeat(certain, 3, axis=0), 1) == pytest.approx((10, 0))


def test_classifier_score_of_two_classes() -> None:
    """Half are surely a, half are fifty-fifty: exp(½ ln 4/3 + ½ (½ ln 2/3 + ½ ln 2))."""
    logits = np.array([[500.0, 0.0]] * 4 + [[0.0, 0.0]] * 4)
    assert classifier_score(logits, 1)[0] == pytest.approx(1.2408065, abs=1e-7)


def test_classifier_score_needs_enough_pictures() -> None:
    with pytest.raises(ValueError, match="3 pictures cannot be parted into 4"):
        classifier_score(np.zeros((3, 2)), 4)
