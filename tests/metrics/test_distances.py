import numpy as np
import pytest
import scipy.linalg

from pokegan.metrics import distances
from pokegan.metrics.distances import (
    classifier_score,
    frechet_distance,
    frechet_distance_infinity,
    kernel_distance,
    manifold_scores,
    nearest_distances,
    pairwise_distances,
)

RNG = np.random.default_rng(0)


def scores_of(fakes: np.ndarray, reals: np.ndarray) -> tuple[float, ...]:
    """Precision, recall, density and coverage."""
    nearest = nearest_distances(fakes), nearest_distances(reals)
    return tuple(manifold_scores(pairwise_distances(fakes, reals), *nearest).values())


def with_moments(mean: np.ndarray, deviations: np.ndarray) -> np.ndarray:
    """Rows with exactly this sample mean and the sample covariance diag(deviations²)."""
    d = len(mean)
    rows = np.concatenate([np.eye(d), -np.eye(d)]) * np.sqrt((2 * d - 1) / 2)
    return rows * deviations + mean


ONE, ZERO, AXIS = np.ones(64), np.zeros(64), np.eye(64)[0]
A, B = RNG.uniform(0.1, 3, (2, 64))
U, V = RNG.normal(size=(2, 50))


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (with_moments(ZERO, ONE), with_moments(ZERO, ONE), 0),
        (with_moments(ZERO, ONE), with_moments(3 * AXIS, ONE), 9),
        (with_moments(ZERO, ONE), with_moments(ZERO, 2 * ONE), 64),
        (with_moments(ZERO, ZERO), with_moments(ZERO, ONE), 64),
        (with_moments(ZERO, ZERO), with_moments(2 * AXIS, ZERO), 4),
        # Diagonal covariances a², b²: Σ (a − b)².
        (with_moments(ZERO, A), with_moments(ZERO, B), ((A - B) ** 2).sum()),
        # Rank one, uuᵀ and vvᵀ: |u|² + |v|² − 2|u·v|.
        (
            np.array([-U, U]) / np.sqrt(2),
            np.array([-V, V]) / np.sqrt(2),
            U @ U + V @ V - 2 * abs(U @ V),
        ),
    ],
)
def test_frechet_distance_in_closed_form(
    first: np.ndarray, second: np.ndarray, expected: float
) -> None:
    assert frechet_distance(first, second) == pytest.approx(expected, rel=1e-9, abs=1e-8)


def by_matrix_root(first: np.ndarray, second: np.ndarray) -> float:
    """With the eigenvalues of Σ₁^½ Σ₂ Σ₁^½."""
    c1, c2 = np.cov(first.T), np.cov(second.T)
    values, vectors = scipy.linalg.eigh(c1)
    root = vectors * np.sqrt(values.clip(0)) @ vectors.T
    overlap = np.sqrt(scipy.linalg.eigvalsh(root @ c2 @ root).clip(0)).sum()
    shift = first.mean(0) - second.mean(0)
    return float(shift @ shift + np.trace(c1) + np.trace(c2) - 2 * overlap)


# tests/metrics/test_protocol.py compares with torch-fidelity.
@pytest.mark.parametrize(("n", "m", "d"), [(300, 200, 40), (30, 25, 100), (30, 200, 100)])
def test_frechet_distance_equals_that_by_a_matrix_root(n: int, m: int, d: int) -> None:
    """For more and for fewer rows than dimensions."""
    mix = RNG.normal(size=(d, d))
    first, second = RNG.normal(size=(n, d)) @ mix, RNG.normal(size=(m, d)) * 2 + 0.3
    found = frechet_distance(first, second)
    assert found == pytest.approx(by_matrix_root(first, second), rel=1e-6)
    assert frechet_distance(second, first) == pytest.approx(found, rel=1e-9)


def test_frechet_distance_equals_that_of_other_packages() -> None:
    """The value is by pytorch-fid 0.3.0 and by clean-fid 0.1.35, from the same features."""
    rng = np.random.default_rng(0)
    first = rng.normal(size=(600, 64)) @ rng.normal(size=(64, 64))
    second = rng.normal(size=(500, 64)) * 2 + 0.3
    assert frechet_distance(first, second) == pytest.approx(2737.0000362945584, rel=1e-9)


def test_equal_sets_have_no_frechet_distance() -> None:
    for shape in ((50, 20), (20, 50)):
        features = 100 + RNG.normal(size=shape)
        assert frechet_distance(features, RNG.permutation(features)) == 0


def test_extrapolation_removes_the_bias_of_few_fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    """N(0, 1) samples against exactly these moments: the distance of infinitely many is 0."""
    fakes, reals = RNG.normal(size=(1200, 64)), with_moments(ZERO, ONE)
    assert frechet_distance(fakes[:400], reals) > 2.5
    assert abs(frechet_distance_infinity(fakes, reals)) < 0.15
    monkeypatch.setattr(distances, "frechet_distance", lambda x, _: 3 + 50 / len(x))
    assert frechet_distance_infinity(fakes, reals) == pytest.approx(3)


def test_frechet_distance_is_invariant_to_rotation_and_order() -> None:
    first, second = RNG.normal(size=(50, 20)), RNG.normal(size=(60, 20)) * 1.5
    rotation = scipy.linalg.qr(RNG.normal(size=(20, 20)))[0]
    expected = pytest.approx(frechet_distance(first, second), rel=1e-9)
    assert frechet_distance(first @ rotation, second @ rotation) == expected
    assert frechet_distance(RNG.permutation(first), second) == expected


def test_invalid_features_are_rejected() -> None:
    good = RNG.normal(size=(5, 3))
    with pytest.raises(ValueError, match="at least 2"):
        frechet_distance(good[:1], good)
    with pytest.raises(ValueError, match="at least 6"):
        nearest_distances(good)
    with pytest.raises(ValueError, match="NaN"):
        nearest_distances(np.full((6, 3), np.nan))
    for distance in (frechet_distance, kernel_distance):
        with pytest.raises(ValueError, match="NaN"):
            distance(np.full((5, 3), np.nan), good)
        with pytest.raises(ValueError, match="same dimension"):
            distance(good, RNG.normal(size=(5, 4)))
    with pytest.raises(ValueError, match="5 images are fewer than 6 splits"):
        classifier_score(good, 6)


def test_kernel_distance_in_closed_form() -> None:
    """{0, 1} and {2, 3}, one dimension, k = (xy + 1)³: 1 + 343 − 2·(1 + 1 + 27 + 64)/4."""
    first, second = np.array([[0.0], [1.0]]), np.array([[2.0], [3.0]])
    assert kernel_distance(first, second) == pytest.approx(297.5)
    # {0, 1} and {2, 3, 3}: 1 + (343 + 343 + 1000)/3 − 2·(1 + 1 + 1 + 27 + 64 + 64)/6.
    second = np.array([[2.0], [3.0], [3.0]])
    assert kernel_distance(first, second) == pytest.approx(1 + 562 - 158 / 3)


def test_kernel_distance_is_unbiased() -> None:
    """The estimator excludes the pair of an image with itself: below 0 for equal sets."""
    features = RNG.normal(size=(400, 16))
    assert -0.2 < kernel_distance(features, features) < 0
    draws = [kernel_distance(*RNG.normal(size=(2, 100, 16))) for _ in range(20)]
    assert abs(np.mean(draws)) < 3 * np.std(draws) / np.sqrt(20)
    assert kernel_distance(features, features + 0.5) > 10 * np.std(draws)


def test_precision_and_recall_of_points_on_a_line() -> None:
    """Reals at distance 1: the third neighbor of an inner one is at distance 2."""
    reals = np.arange(20.0)[:, None]
    assert scores_of(reals, reals)[:2] == (1, 1)
    assert scores_of(reals + 100, reals) == (0, 0, 0, 0)
    # Half of the fakes are inside; with outliers as third neighbors their balls cover reals 2-17.
    fakes = np.concatenate([reals[5:15], reals[5:15] + 1000])
    assert scores_of(fakes, reals)[:2] == pytest.approx((0.5, 16 / 20))
    # Copies of one real image: all precise, almost nothing recalled.
    copies = np.repeat(reals[10:11], 20, axis=0)
    assert scores_of(copies, reals)[:2] == pytest.approx((1, 1 / 20))


def test_density_and_coverage_of_points_on_a_line() -> None:
    """Reals at distance 1: the fifth neighbor of an inner one is at distance 3."""
    reals = np.arange(20.0)[:, None]
    # A fake at 10.5 is within distance 3 of 8 to 13; farther balls belong to the ends (0, 1, 18, 19).
    fakes = np.repeat([[10.5]], 7, axis=0)
    assert scores_of(fakes, reals)[2:] == pytest.approx((6 / 5, 6 / 20))
    assert scores_of(reals, reals)[3] == 1


def test_density_and_coverage_of_two_samples_of_one_distribution() -> None:
    """Coverage (Naeem et al. 2020, lemma 2): 1 − (N−1)…(N−k) / ((2N−1)…(2N−k)) for N = M."""
    count, k = 1500, distances.DENSITY_NEIGHBOURS
    _, _, density, coverage = scores_of(*RNG.normal(size=(2, count, 6)))
    miss = np.prod([(count - i) / (2 * count - i) for i in range(1, k + 1)])
    assert density == pytest.approx(1, abs=0.05)
    assert coverage == pytest.approx(1 - miss, abs=0.015)


def test_nearest_distances_by_hand() -> None:
    points = np.array([[0.0, 0], [3, 4], [3, 4], [6, 8], [9, 12], [300, 400], [30, 40]])
    nearest = nearest_distances(points)
    assert nearest[:, 0].tolist() == [5, 0, 0, 5, 5, 450, 35]
    assert nearest[1].tolist() == [0, 5, 5, 10, 45]


def test_large_sets_are_processed_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = RNG.normal(size=(90, 8)), RNG.normal(size=(80, 8)) + 0.5
    nearest, distance = nearest_distances(first), kernel_distance(first, second)
    monkeypatch.setattr(distances, "ROWS", 17)
    assert np.array_equal(nearest_distances(first), nearest)
    assert kernel_distance(first, second) == pytest.approx(distance, rel=1e-9)


@pytest.mark.parametrize("certainty", [200, 5000])
def test_classifier_score_of_certain_predictions(certainty: float) -> None:
    certain = certainty * np.eye(10)
    assert classifier_score(np.zeros((20, 10)), 1) == pytest.approx((1, 0))
    assert classifier_score(np.repeat(certain[:1], 20, axis=0), 4) == pytest.approx((1, 0))
    assert classifier_score(np.repeat(certain, 3, axis=0), 1) == pytest.approx((10, 0))


def test_classifier_score_of_two_classes() -> None:
    """Half certain, half uniform: exp(½ ln 4/3 + ½ (½ ln 2/3 + ½ ln 2))."""
    logits = np.array([[500.0, 0.0]] * 4 + [[0.0, 0.0]] * 4)
    assert classifier_score(logits, 1)[0] == pytest.approx(1.2408065, abs=1e-7)


def test_classifier_score_decreases_with_splits() -> None:
    """A split of a hundred images rarely has ten of each class: 9.5 instead of 10."""
    logits = 200 * np.repeat(np.eye(10), 100, axis=0)
    mean, std = classifier_score(logits, 10)
    assert 9.3 < mean < 9.7
    assert 0 < std < 0.3
    assert (mean, std) == classifier_score(logits, 10)
