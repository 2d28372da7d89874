from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter
from torch_fidelity import calculate_metrics, register_feature_extractor
from torch_fidelity.feature_extractor_base import FeatureExtractorBase

from pokegan.core.errors import PipelineError
from pokegan.core.schema import ENCODERS
from pokegan.metrics.encoding import Encoder, Features, encode, load_encoder
from pokegan.metrics.features import halves, load_features, save_features
from pokegan.metrics.names import metric_name
from pokegan.metrics.protocol import Reference, legacy_best, legacy_scores, mean_and_spread, summary

CPU = torch.device("cpu")
LITE = "effnet_lite0"


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return load_encoder(LITE, CPU)


@pytest.fixture(scope="module")
def sheet() -> np.ndarray:
    """160 drawings of discs, as the fixture `drawings` but more."""
    rng = np.random.default_rng(7)
    y, x = np.mgrid[:32, :32]
    pictures = np.full((160, 32, 32, 3), 255, np.uint8)
    for picture in pictures:
        for _ in range(rng.integers(1, 4)):
            centre, radius = rng.integers(8, 24, 2), rng.integers(3, 10)
            disc = (y - centre[0]) ** 2 + (x - centre[1]) ** 2 < radius**2
            picture[disc] = rng.integers(0, 200, 3)
    return pictures


@pytest.fixture(scope="module")
def reals(encoder: Encoder, sheet: np.ndarray) -> Reference:
    return Reference(*(encode(encoder, sheet[rows], CPU) for rows in halves(160, 80, seed=1)))


def random_encoding(rng: np.random.Generator, count: int, dimensions: int = 16) -> Features:
    values = rng.normal(size=(count, dimensions)).astype(np.float32)
    return Features(values, values[:, :10])


def test_halves_are_disjoint_equal_and_seeded() -> None:
    first, second = halves(49, 100, seed=1)
    assert len(first) == len(second) == 24
    assert len(set(first) | set(second)) == 48
    assert np.array_equal(first, halves(49, 100, seed=1)[0])
    assert not np.array_equal(first, halves(49, 100, seed=2)[0])
    assert len(halves(49, 10, seed=1)[0]) == 10
    # A part of a half is a sample of the whole, too: data sets are sorted by kind.
    assert 5000 < halves(14_000, 400, seed=1)[0][:128].mean() < 9000
    with pytest.raises(PipelineError, match="7 true pictures are too few"):
        halves(7, 10, seed=1)


def test_scores_order_what_is_better(encoder: Encoder, reals: Reference, sheet: np.ndarray) -> None:
    """Blur and noise move away step by step; a collapse is seen by what sees collapses."""
    other = sheet[halves(160, 80, seed=1)[1]]
    rng = np.random.default_rng(0)

    def blurred(radius: float) -> np.ndarray:
        images = (Image.fromarray(p).filter(ImageFilter.GaussianBlur(radius)) for p in other)
        return np.stack([np.asarray(image) for image in images])

    def noisy(deviation: float) -> np.ndarray:
        return (other + rng.normal(0, deviation, other.shape)).clip(0, 255).astype(np.uint8)

    def scores(pictures: np.ndarray) -> dict[str, float]:
        return reals.score(encode(encoder, pictures, CPU), 1)

    truth = reals.floor(1)
    assert scores(other) == pytest.approx(truth)
    for series in ([blurred(1), blurred(2)], [noisy(10), noisy(60)]):
        distances = [truth, *map(scores, series)]
        assert distances[0]["fd"] < distances[1]["fd"] < distances[2]["fd"]
        assert 1.5 * distances[0]["fd"] < distances[2]["fd"]
        assert distances[0]["kd"] < distances[1]["kd"] < distances[2]["kd"]

    half = scores(np.repeat(other[:40], 2, axis=0))
    eight = scores(np.repeat(other[:8], 10, axis=0))
    assert truth["fd"] < half["fd"] < eight["fd"]
    assert truth["near_duplicates"] < 0.2
    assert half["near_duplicates"] == eight["near_duplicates"] == 1
    assert eight["recall"] < 0.5 < truth["recall"]
    assert scores(np.repeat(other[:1], 80, axis=0))["cs"] == pytest.approx(1)


def test_unequal_numbers_are_refused(reals: Reference) -> None:
    with pytest.raises(ValueError, match="79 generated pictures against 80"):
        reals.score(reals.first[:79], 1)


def test_an_encoder_without_classes_has_no_classifier_score() -> None:
    rng = np.random.default_rng(0)
    first, second = (Features(e.features, e.logits[:, :0]) for e in [random_encoding(rng, 40)] * 2)
    assert "cs" not in Reference(first, second).floor(1)
    assert "cs" in Reference(*[random_encoding(rng, 40)] * 2).floor(1)


def test_names_belong_to_one_encoder() -> None:
    scores = ("fd", "kd", "cs", "precision", "recall", "near_duplicates")
    names = {encoder: [metric_name(score, encoder) for score in scores] for encoder in ENCODERS}
    assert names["inception"][:3] == ["fid", "kid", "is"]
    assert names["effnet_lite0"][:3] == ["fd_effnet_lite0", "kd_effnet_lite0", "cs_effnet_lite0"]
    assert len({name for each in names.values() for name in each}) == len(scores) * len(ENCODERS)
    told = summary("inception", {"fd": 1.23456789}, {"fd": 2.0}, {"fd": 0.5})
    assert told == {"fid": 1.23457, "fid_spread": 0.5, "fid_reals": 2}


class Registered(FeatureExtractorBase):
    """Our encoder as torch-fidelity takes it."""

    def __init__(self, name: str, features_list: list[str], **kwargs: object) -> None:
        super().__init__(name, features_list)
        self.encoder = load_encoder(LITE, CPU)

    @staticmethod
    def get_provided_features_list() -> tuple[str, ...]:
        return ("pooled", "logits")

    @staticmethod
    def get_default_feature_layer_for_metric(metric: str) -> str:
        return "logits" if metric == "isc" else "pooled"

    @staticmethod
    def can_be_compiled() -> bool:
        return False

    @staticmethod
    def get_dummy_input_for_compile() -> torch.Tensor:
        return torch.zeros(1, 3, 32, 32, dtype=torch.uint8)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        found = dict(zip(("pooled", "logits"), self.encoder(x.permute(0, 2, 3, 1)), strict=True))
        return tuple(found[name] for name in self.features_list)


class Pictures(torch.utils.data.Dataset[torch.Tensor]):
    def __init__(self, pictures: np.ndarray) -> None:
        self.pictures = pictures

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, row: int) -> torch.Tensor:
        return torch.from_numpy(self.pictures[row]).permute(2, 0, 1)


def test_against_the_whole_of_torch_fidelity(
    encoder: Encoder, reals: Reference, sheet: np.ndarray
) -> None:
    """From pictures to scores with none of our code between but the encoder's network."""
    register_feature_extractor("lite0-for-a-test", Registered)
    first, second = halves(160, 80, seed=1)
    expected = calculate_metrics(
        input1=Pictures(sheet[second]),
        input2=Pictures(sheet[first]),
        feature_extractor="lite0-for-a-test",
        fid=True,
        kid=True,
        isc=True,
        prc=True,
        isc_splits=1,
        kid_subsets=1,
        kid_subset_size=80,
        batch_size=16,
        cuda=False,
        cache=False,
        save_cpu_ram=True,
        verbose=False,
    )
    found = reals.floor(1)
    assert found["fd"] == pytest.approx(expected["frechet_inception_distance"], rel=1e-4)
    assert found["kd"] == pytest.approx(expected["kernel_inception_distance_mean"], abs=1e-6)
    assert found["cs"] == pytest.approx(expected["inception_score_mean"], rel=1e-5)
    assert found["precision"] == pytest.approx(expected["precision"], abs=0.02)
    assert found["recall"] == pytest.approx(expected["recall"], abs=0.02)


def test_features_come_back_as_they_were_kept(
    encoder: Encoder, reals: Reference, tmp_path: Path
) -> None:
    rows = halves(160, 80, seed=1)
    for file in (tmp_path / "a.npz", tmp_path / "b.npz"):
        save_features(file, encoder, rows, (reals.first, reals.second))
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    again = Reference(*load_features(tmp_path / "a.npz", encoder))
    assert again.floor(1) == reals.floor(1)
    other = load_encoder(LITE, CPU)
    other.sha256 = "beef" * 16
    with pytest.raises(PipelineError, match="of effnet_lite0 .57934424.*not of .*beefbeef"):
        load_features(tmp_path / "a.npz", other)
    (tmp_path / "a.npz").write_bytes(b"PK\x03\x04 broken")
    np.save(tmp_path / "c.npy", np.zeros(3))
    for file in ("a.npz", "c.npy"):
        with pytest.raises(PipelineError, match="holds no features of two halves"):
            load_features(tmp_path / file, encoder)


def test_mean_and_spread() -> None:
    mean, spread = mean_and_spread([{"a": 1.0}, {"a": 3.0}])
    assert (mean["a"], spread["a"]) == (2, pytest.approx(np.sqrt(2)))
    assert mean_and_spread([{"a": 1.0}]) == ({"a": 1}, {})


def test_the_students_protocol() -> None:
    """128 against 128, ten parts of twelve: far from the truth even for the truth."""
    rng = np.random.default_rng(0)
    logits = np.zeros((200, 10), np.float32)
    logits[np.arange(200), np.arange(200) % 10] = 200
    truth = Features(rng.normal(size=(200, 64)).astype(np.float32), logits)
    other = Features(rng.normal(size=(200, 64)).astype(np.float32), logits)
    scores = legacy_scores(other, truth)
    assert scores["fd"] > 10
    assert scores["cs"] < 8  # of ten sure, even classes
    with pytest.raises(ValueError, match="128"):
        legacy_scores(other[:100], truth)
    assert legacy_best([{"fd": 1e4, "cs": 1.0}, scores]) == scores
