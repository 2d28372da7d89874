import numpy as np
import pytest
import scipy.linalg
import torch
from torch_fidelity.metric_fid import (
    KEY_METRIC_FID,
    fid_features_to_statistics,
    fid_statistics_to_metric,
)
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.inception import InceptionScore
from torchmetrics.image.kid import poly_mmd

from pokegan.metrics.distances import (
    classifier_score,
    frechet_distance,
    kernel_distance,
    nearest_distances,
    precision_recall,
)
from stages.scoring import distances

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
    found = frechet_distance(first, second)
    assert found == pytest.approx(expected, rel=1e-6)
    assert frechet_distance(second, first) == pytest.approx(found, rel=1e-9)


@pytest.mark.parametrize(("n", "d"), [(300, 40), (30, 100)])
def test_against_torch_fidelity(n: int, d: int) -> None:
    first, second = RNG.normal(size=(n, d)), RNG.normal(size=(n, d)) * 1.4 + 0.1
    moments = [fid_features_to_statistics(torch.from_numpy(x)) for x in (first, second)]
    expected = fid_statistics_to_metric(*moments, verbose=False)[KEY_METRIC_FID]
    assert frechet_distance(first, second) == pytest.approx(expected, rel=1e-4)


def test_equal_samples_are_no_distance_apart() -> None:
    """By rounding it may fall below zero, which is not hidden."""
    features = RNG.normal(size=(100, 300)).astype(np.float32)
    assert abs(frechet_distance(features, features)) < 1e-3


def test_fewer_pictures_are_further_from_the_truth() -> None:
    """Why both sides need the same number: N(0, 1) from N(0, 1), 64 dimensions."""
    few, many = (frechet_distance(*RNG.normal(size=(2, n, 64))) for n in (50, 500))
    assert many < 8 < 30 < few


def test_it_does_not_feel_a_rotation_or_an_order() -> None:
    first, second = RNG.normal(size=(50, 20)), RNG.normal(size=(60, 20)) * 1.5
    turn = scipy.linalg.qr(RNG.normal(size=(20, 20)))[0]
    expected = frechet_distance(first, second)
    assert frechet_distance(first @ turn, second @ turn) == pytest.approx(expected, rel=1e-9)
    assert frechet_distance(RNG.permutation(first), second) == pytest.approx(expected, rel=1e-9)


class Given(torch.nn.Module):
    """Features as they are, for libraries that take networks."""

    num_features = 30

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.flatten(1).double()


def test_against_torchmetrics() -> None:
    first, second = RNG.normal(size=(40, 30)), RNG.normal(size=(45, 30)) * 1.3 + 0.2
    metric = FrechetInceptionDistance(feature=Given(), normalize=True, input_img_size=(3, 2, 5))
    metric.set_dtype(torch.float64)
    for features, real in ((first, True), (second, False)):
        metric.update(torch.from_numpy(features).reshape(-1, 3, 2, 5), real=real)
    assert frechet_distance(first, second) == pytest.approx(float(metric.compute()), rel=1e-4)


def test_bad_features_are_refused() -> None:
    good = RNG.normal(size=(5, 3))
    with pytest.raises(ValueError, match="at least 2"):
        frechet_distance(good[:1], good)
    with pytest.raises(ValueError, match="at least 4"):
        precision_recall(good[:3], good)
    for distance in (frechet_distance, kernel_distance, precision_recall):
        with pytest.raises(ValueError, match="NaN"):
            distance(np.full((5, 3), np.nan), good)
        with pytest.raises(ValueError, match="same dimension"):
            distance(good, RNG.normal(size=(5, 4)))
    with pytest.raises(ValueError, match="as many rows"):
        kernel_distance(good, good[:4])


def test_kernel_distance_by_hand() -> None:
    """{0, 1} and {2, 3}, one dimension, k = (xy + 1)³: 1 + 343 − 2·(1 + 1 + 27 + 64)/4."""
    first, second = np.array([[0.0], [1.0]]), np.array([[2.0], [3.0]])
    assert kernel_distance(first, second) == pytest.approx(297.5)


def test_kernel_distance_of_the_same_is_unbiased_and_not_zero() -> None:
    """The estimator leaves out each picture's own pair, and falls below 0 for equal sets."""
    features = RNG.normal(size=(400, 16))
    assert -0.2 < kernel_distance(features, features) < 0
    draws = [kernel_distance(*RNG.normal(size=(2, 100, 16))) for _ in range(20)]
    assert abs(np.mean(draws)) < 3 * np.std(draws) / np.sqrt(20)
    assert kernel_distance(features, features + 0.5) > 10 * np.std(draws)


def test_kernel_distance_against_torchmetrics() -> None:
    first, second = RNG.normal(size=(60, 30)), RNG.normal(size=(60, 30)) * 1.3 + 0.2
    x, y = torch.from_numpy(first), torch.from_numpy(second)
    assert kernel_distance(first, second) == pytest.approx(float(poly_mmd(x, y)), rel=1e-9)


def test_precision_and_recall_of_known_sets() -> None:
    """Reals on a line, a step apart: the third neighbour of an inner one is 2 away."""
    reals = np.arange(20.0)[:, None]
    assert precision_recall(reals, reals) == (1, 1)
    assert precision_recall(reals + 100, reals) == (0, 0)
    # Half of the fakes lie among the reals; around those, with the others far off, all reals do.
    fakes = np.concatenate([reals[5:15], reals[5:15] + 1000])
    precision, recall = precision_recall(fakes, reals)
    assert precision == 0.5
    assert recall == pytest.approx(16 / 20)  # reals 2 to 17: the outermost reach 3 further
    # Many copies of one true picture: all true, and next to nothing of the truth.
    assert precision_recall(np.repeat(reals[10:11], 20, axis=0), reals) == pytest.approx(
        (1, 1 / 20)
    )


def test_large_sets_are_taken_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same numbers, and for the kernel distance the mean of subsets that agrees with it."""
    first, second = RNG.normal(size=(90, 8)), RNG.normal(size=(90, 8)) + 0.5
    whole = precision_recall(first, second), nearest_distances(first).tolist()
    distance = kernel_distance(first, second)
    monkeypatch.setattr(distances, "ROWS", 17)
    monkeypatch.setattr(distances, "KERNEL", 60)
    assert (precision_recall(first, second), nearest_distances(first).tolist()) == whole
    assert kernel_distance(first, second) == pytest.approx(distance, rel=0.2)
    assert kernel_distance(first, second) == kernel_distance(first, second)


def test_nearest_distances() -> None:
    features = np.array([[0.0, 0.0], [3.0, 4.0], [3.0, 4.0], [0.0, 1.0]])
    assert nearest_distances(features).tolist() == [1, 0, 0, 1]
    large = np.repeat(RNG.normal(size=(3, 1280)) * 1e4, 2, axis=0)
    assert nearest_distances(large).tolist() == [0] * 6


def test_classifier_score_of_known_predictions() -> None:
    for certainty in (200, 5000):
        certain = certainty * np.eye(10)
        assert classifier_score(np.zeros((20, 10)), 1) == pytest.approx((1, 0))
        assert classifier_score(np.repeat(certain[:1], 20, axis=0), 4) == pytest.approx((1, 0))
        assert classifier_score(np.repeat(certain, 3, axis=0), 1) == pytest.approx((10, 0))


def test_classifier_score_of_two_classes() -> None:
    """Half are surely a, half are fifty-fifty: exp(½ ln 4/3 + ½ (½ ln 2/3 + ½ ln 2))."""
    logits = np.array([[500.0, 0.0]] * 4 + [[0.0, 0.0]] * 4)
    assert classifier_score(logits, 1)[0] == pytest.approx(1.2408065, abs=1e-7)


def test_splits_lower_the_classifier_score() -> None:
    """A part of a hundred pictures rarely holds all ten classes evenly: 9.5, not 10."""
    logits = 200 * np.repeat(np.eye(10), 100, axis=0)
    mean, spread = classifier_score(logits, 10)
    assert 9.3 < mean < 9.7
    assert 0 < spread < 0.3
    assert (mean, spread) == classifier_score(logits, 10)


@pytest.mark.filterwarnings("ignore::UserWarning")  # it is given features, not pictures
def test_classifier_score_against_torchmetrics() -> None:
    logits = RNG.normal(size=(200, 30)) * 3
    metric = InceptionScore(feature=Given(), normalize=True, splits=1)
    metric.set_dtype(torch.float64)
    metric.features.append(torch.from_numpy(logits))
    mean = float(metric.compute()[0])
    assert classifier_score(logits, 1)[0] == pytest.approx(mean, rel=1e-6)


@pytest.mark.parametrize("scale", [0, 0.1, 3, 1000])
def test_classifier_score_lies_between_one_and_the_classes(scale: float) -> None:
    assert 1 - 1e-9 <= classifier_score(RNG.normal(size=(60, 7)) * scale, 3)[0] <= 7


def test_classifier_score_needs_enough_pictures() -> None:
    with pytest.raises(ValueError, match="3 pictures cannot be parted into 4"):
        classifier_score(np.zeros((3, 2)), 4)
