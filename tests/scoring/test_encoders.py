from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.datasets import load_sample_image

from stages.errors import PipelineError
from stages.scoring import encoders
from stages.scoring.encoders import EfficientNetLite0, Encoding
from stages.scoring.protocol import halves, score

DAISY, PALACE = 985, 698


@pytest.fixture(scope="module")
def encoder() -> EfficientNetLite0:
    return EfficientNetLite0(torch.device("cpu"))


@pytest.mark.parametrize(("name", "label"), [("flower.jpg", DAISY), ("china.jpg", PALACE)])
def test_it_knows_what_photographs_show(encoder: EfficientNetLite0, name: str, label: int) -> None:
    """Pins weights, order of tensors, and the normalisation, which fails silently if wrong."""
    photograph = load_sample_image(name)
    side = min(photograph.shape[:2])
    top, left = ((size - side) // 2 for size in photograph.shape[:2])
    square = photograph[None, top : top + side, left : left + side]
    encoding = encoder(square)
    assert encoding.features.shape == (1, 1280)
    assert encoding.logits.shape == (1, 1000)
    assert encoding.logits.argmax() == label


def test_the_batch_does_not_matter(
    encoder: EfficientNetLite0, drawings: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = encoder(drawings[:9])
    monkeypatch.setattr(encoders, "BATCH", 2)
    done: list[int] = []
    parts = encoder(drawings[:9], done.append)
    assert sum(done) == 9
    np.testing.assert_allclose(whole.features, parts.features, rtol=1e-3, atol=1e-4)


def test_other_weights_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoders, "SHA256", "0" * 64)
    with pytest.raises(PipelineError, match="efficientnet-lite0-.*sha256"):
        EfficientNetLite0(torch.device("cpu"))


def pixels(pictures: np.ndarray) -> Encoding:
    features = pictures[:, ::8, ::8].reshape(len(pictures), -1).astype(float)
    return Encoding(features, features[:, :10])


def test_halves_are_disjoint_equal_and_seeded(drawings: np.ndarray) -> None:
    first, second = halves(drawings, 100, seed=1)
    assert len(first) == len(second) == 24
    rows = {picture.tobytes() for picture in first} | {picture.tobytes() for picture in second}
    assert len(rows) == 48
    assert np.array_equal(first, halves(drawings, 100, seed=1)[0])
    assert not np.array_equal(first, halves(drawings, 100, seed=2)[0])
    assert len(halves(drawings, 10, seed=1)[0]) == 10
    with pytest.raises(PipelineError, match="too few"):
        halves(drawings[:3], 10, seed=1)


def test_scores_order_what_is_better(encoder: EfficientNetLite0, drawings: np.ndarray) -> None:
    """True pictures score like the floor; noise and one picture repeated are far from it."""
    first, second = halves(drawings, 24, seed=1)
    noise = np.random.default_rng(0).integers(0, 256, first.shape, dtype=np.uint8)
    collapsed = np.repeat(second[:1], len(first), axis=0)
    results = {
        name: score(encoder, "e", (first, second), fakes, 1)
        for name, fakes in {"true": second, "noise": noise, "collapsed": collapsed}.items()
    }
    floor = results["true"]["fd_e_floor"]
    assert results["true"]["fd_e"] == pytest.approx(floor)
    assert results["noise"]["fd_e"] > 2 * floor
    assert results["collapsed"]["fd_e"] > 1.5 * floor
    assert results["collapsed"]["cs_e"] == pytest.approx(1)
    assert results["true"]["pictures"] == 24


def test_more_splits_than_pictures_are_named(drawings: np.ndarray) -> None:
    with pytest.raises(PipelineError, match="evaluate.splits is 30"):
        score(pixels, "e", halves(drawings, 24, 1), drawings[:24], 30)
