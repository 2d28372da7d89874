from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
from torch_fidelity.metric_isc import isc_features_to_metric
from torch_fidelity.metric_kid import kid_features_to_metric
from torch_fidelity.metric_prc import prc_features_to_metric

from pokegan.core.errors import PipelineError
from pokegan.core.schema import ENCODERS
from pokegan.metrics.encoding import Encoder, Features, encode, load_encoder
from pokegan.metrics.features import halves, load_features, save_features
from pokegan.metrics.names import metric_name
from pokegan.metrics.protocol import Reference, named_scores

CPU = torch.device("cpu")
LITE = "effnet_lite0"
FIRST, SECOND = halves(96, 48, seed=1)


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return load_encoder(LITE, CPU)


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    """96 images of one to three discs on white."""
    rng = np.random.default_rng(7)
    y, x = np.mgrid[:32, :32]
    images = np.full((96, 32, 32, 3), 255, np.uint8)
    for image in images:
        for _ in range(rng.integers(1, 4)):
            center, radius = rng.integers(8, 24, 2), rng.integers(3, 10)
            disc = (y - center[0]) ** 2 + (x - center[1]) ** 2 < radius**2
            image[disc] = rng.integers(0, 200, 3)
    return images


@pytest.fixture(scope="module")
def reference(encoder: Encoder, images: np.ndarray) -> Reference:
    return Reference(*(encode(encoder, images[rows], CPU) for rows in (FIRST, SECOND)))


def random_features(seed: int, count: int) -> Features:
    values = np.random.default_rng(seed).normal(size=(count, 16)).astype(np.float32)
    return Features(values, values[:, :10])


def test_halves_are_disjoint_equal_and_seeded() -> None:
    first, second = halves(49, 100, seed=1)
    assert len(first) == len(second) == 24
    assert len(set(first) | set(second)) == 48
    assert np.array_equal(first, halves(49, 100, seed=1)[0])
    assert not np.array_equal(first, halves(49, 100, seed=2)[0])
    assert len(halves(49, 10, seed=1)[0]) == 10
    # The first rows of a half are a random sample, too: data sets are sorted by source.
    assert 5000 < halves(14_000, 400, seed=1)[0][:128].mean() < 9000
    with pytest.raises(PipelineError, match="7 real images are too few"):
        halves(7, 10, seed=1)


@pytest.mark.slow
def test_scores_rank_damaged_images(
    encoder: Encoder, reference: Reference, images: np.ndarray
) -> None:
    other = images[SECOND]
    rng = np.random.default_rng(0)

    def blurred(radius: float) -> np.ndarray:
        found = (Image.fromarray(each).filter(ImageFilter.GaussianBlur(radius)) for each in other)
        return np.stack([np.asarray(image) for image in found])

    def noisy(deviation: float) -> np.ndarray:
        return (other + rng.normal(0, deviation, other.shape)).clip(0, 255).astype(np.uint8)

    def scores(fakes: np.ndarray) -> dict[str, float]:
        return reference.score(encode(encoder, fakes, CPU))

    real = reference.real_scores()
    assert scores(other) == pytest.approx(real)
    for series in ([blurred(1), blurred(2)], [noisy(10), noisy(60)]):
        ranked = [real, *map(scores, series)]
        assert ranked[0]["fd"] < ranked[1]["fd"] < ranked[2]["fd"]
        assert 1.5 * ranked[0]["fd"] < ranked[2]["fd"]
        assert ranked[0]["kd"] < ranked[1]["kd"] < ranked[2]["kd"]

    half = scores(np.repeat(other[:24], 2, axis=0))
    eight = scores(np.repeat(other[:8], 6, axis=0))
    assert real["fd"] < half["fd"] < eight["fd"]
    assert real["near_duplicates"] < 0.2
    assert half["near_duplicates"] == eight["near_duplicates"] == 1
    assert eight["recall"] < 0.5 < real["recall"]
    assert scores(np.repeat(other[:1], 48, axis=0))["cs"] == pytest.approx(1)


def test_an_encoder_without_classes_has_no_classifier_score() -> None:
    pair = [random_features(seed, 40) for seed in (0, 1)]
    assert "cs" in Reference(*pair).real_scores()
    without = [Features(each.features, each.logits[:, :0]) for each in pair]
    assert "cs" not in Reference(*without).real_scores()


def test_mean_and_standard_deviation_of_draws() -> None:
    reference = Reference(random_features(0, 20))
    draws = [random_features(seed, 20) for seed in (1, 2)]
    single = [reference.score(each) for each in draws]
    mean, std = reference.score_draws(draws)
    assert mean["fd"] == pytest.approx(sum(each["fd"] for each in single) / 2)
    assert std["fd"] == pytest.approx(abs(single[0]["fd"] - single[1]["fd"]) / np.sqrt(2))
    assert reference.score_draws(draws[:1]) == (single[0], {})


def test_sets_of_different_sizes_are_compared() -> None:
    reals, fakes = random_features(0, 60), random_features(1, 45)
    larger = Features(fakes.features + 3, fakes.logits)
    near, far = Reference(reals).score(fakes), Reference(reals).score(larger)
    assert 10 * near["fd"] < far["fd"]
    assert abs(near["kd"]) < far["kd"] / 10
    assert (near["precision"] > 0.5, far["precision"]) == (True, 0)


def test_metric_names_belong_to_one_encoder() -> None:
    scores = (
        "fd",
        "fd_infinity",
        "kd",
        "cs",
        "precision",
        "recall",
        "density",
        "coverage",
        "near_duplicates",
    )
    names = {encoder: [metric_name(score, encoder) for score in scores] for encoder in ENCODERS}
    assert names["inception"][:4] == ["fid", "fid_infinity", "kid", "is"]
    assert names["effnet_lite0"][::2][:2] == ["fd_effnet_lite0", "kd_effnet_lite0"]
    assert len({name for each in names.values() for name in each}) == len(scores) * len(ENCODERS)
    found = named_scores("inception", {"fd": 1.23456789}, {"fd": 2.0}, {"fd": 0.5})
    assert found == {"fid": 1.23457, "fid_spread": 0.5, "fid_reals": 2}


def test_scores_equal_those_of_torch_fidelity(reference: Reference) -> None:
    assert reference.second is not None
    reals, fakes, logits = (
        torch.from_numpy(each)
        for each in (reference.first.features, reference.second.features, reference.second.logits)
    )
    moments = [fid_features_to_statistics(each) for each in (fakes, reals)]
    expected = {
        **fid_statistics_to_metric(*moments, verbose=False),
        **kid_features_to_metric(fakes, reals, kid_subsets=1, kid_subset_size=48, verbose=False),
        **isc_features_to_metric(logits, splits=1),
        **prc_features_to_metric(fakes, reals, verbose=False),
    }
    found = reference.real_scores()
    assert found["fd"] == pytest.approx(expected["frechet_inception_distance"], rel=1e-4)
    assert found["kd"] == pytest.approx(expected["kernel_inception_distance_mean"], abs=1e-6)
    assert found["cs"] == pytest.approx(expected["inception_score_mean"], rel=1e-5)
    assert found["precision"] == pytest.approx(expected["precision"], abs=0.02)
    assert found["recall"] == pytest.approx(expected["recall"], abs=0.02)


def test_stored_features_are_complete_and_checked(
    encoder: Encoder, reference: Reference, tmp_path: Path
) -> None:
    assert reference.second is not None
    for file in (tmp_path / "a.npz", tmp_path / "b.npz"):
        save_features(file, (FIRST, SECOND), {encoder: (reference.first, reference.second)})
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    loaded = Reference(*load_features(tmp_path / "a.npz", encoder))
    assert loaded.real_scores() == reference.real_scores()
    other = load_encoder(LITE, CPU)
    other.sha256 = "beef" * 16
    with pytest.raises(PipelineError, match="weights of effnet_lite0 .57934424.*not beefbeef"):
        load_features(tmp_path / "a.npz", other)
    (tmp_path / "a.npz").write_bytes(b"PK\x03\x04 broken")
    np.save(tmp_path / "c.npy", np.zeros(3))
    for name in ("a.npz", "c.npy"):
        with pytest.raises(PipelineError, match=f"{name} cannot be read.*dvc repro"):
            load_features(tmp_path / name, encoder)
