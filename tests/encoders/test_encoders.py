from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from scipy.special import softmax
from skimage.data import chelsea, coffee
from torch import Tensor
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

from pokegan.core.errors import PipelineError
from pokegan.core.published_weights import Published
from pokegan.metrics.encoding import Encoder, encode, load_encoder
from stages.scoring import encoding
from stages.scoring.encoders import dinov2, effnet_lite0, inception

CPU = torch.device("cpu")
ESPRESSO, CATS = 967, [281, 282, 285]  # tabby, tiger cat, Egyptian cat


# A black and a white picture.
ENDS = torch.tensor([0, 255], dtype=torch.uint8)[:, None, None, None].expand(2, 8, 8, 3)


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return load_encoder("effnet_lite0", CPU)


def square(photograph: np.ndarray) -> np.ndarray:
    side = min(photograph.shape[:2])
    top, left = ((size - side) // 2 for size in photograph.shape[:2])
    return photograph[None, top : top + side, left : left + side]


def test_it_knows_what_photographs_show(encoder: Encoder) -> None:
    """Pins weights, order of tensors, and the normalisation, which fails silently if wrong."""
    found = encode(encoder, square(coffee()), CPU)
    assert found.features.shape == (1, 1280)
    assert found.logits.shape == (1, 1000)
    assert softmax(found.logits[0])[ESPRESSO] > 0.9
    assert softmax(encode(encoder, square(chelsea()), CPU).logits[0])[CATS].sum() > 0.7


def test_black_and_white_are_the_ends_of_the_scale() -> None:
    """Mean and deviation 0.5, so 0 and 255 become −1 and 1; ImageNet's own would lose accuracy."""
    black, white = effnet_lite0.Encoder(CPU).normalised(ENDS)
    torch.testing.assert_close(black, -torch.ones_like(black))
    torch.testing.assert_close(white, torch.ones_like(white))


def test_neither_the_batch_nor_neighbours_of_other_sizes_matter(
    encoder: Encoder, drawings: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[int] = []
    alone = np.concatenate([encode(encoder, drawings[i : i + 1], CPU).features for i in range(9)])
    whole = encode(encoder, drawings[:9], CPU, done.append)
    assert sum(done) == 9
    np.testing.assert_allclose(whole.features, alone, rtol=1e-3, atol=1e-4)
    larger = drawings[0].repeat(2, axis=0).repeat(2, axis=1)
    mixed = encode(encoder, [drawings[0], larger, larger[:50], drawings[1]], CPU)
    np.testing.assert_allclose(mixed.features[[0, 3]], alone[:2], rtol=1e-3, atol=1e-4)
    with pytest.raises(ValueError, match="no picture"):
        encode(encoder, [], CPU)
    monkeypatch.setitem(encoding.BATCH, "cpu", 64)
    large = encode(encoder, drawings[:9], CPU)
    np.testing.assert_allclose(large.features, alone, rtol=1e-3, atol=1e-4)


def test_other_weights_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(effnet_lite0, "SHA256", "0" * 64)
    with pytest.raises(PipelineError, match="efficientnet-lite0-.*sha256"):
        load_encoder("effnet_lite0", CPU)


def published(monkeypatch: pytest.MonkeyPatch, module: object, file: Path) -> Published:
    """Let FILE be what is published for the encoder in MODULE."""
    weights: Published = module.WEIGHTS  # type: ignore[attr-defined]
    found = dataclasses.replace(weights, sha256=hashlib.sha256(file.read_bytes()).hexdigest())
    monkeypatch.setattr(module, "WEIGHTS", found)
    monkeypatch.setenv(found.variable, str(file))
    return found


def like(network: torch.nn.Module, **others: Tensor) -> dict[str, Tensor]:
    """Random weights of the shapes that NETWORK has, small enough for finite features."""
    torch.manual_seed(0)
    return {
        name: torch.rand(each.shape) * 0.05 + 0.5 * ("running_var" in name)
        for name, each in {**network.state_dict(), **others}.items()
    }


@pytest.fixture(scope="module")
def inception_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights under the published network's names."""
    file = tmp_path_factory.mktemp("inception") / "inception.pth"
    FeatureExtractorInceptionV3.load_state_dict, load = (
        lambda self, state: None,
        FeatureExtractorInceptionV3.load_state_dict,
    )
    try:
        torch.save({}, file)
        empty = FeatureExtractorInceptionV3(
            "inception-v3-compat", ["2048"], feature_extractor_weights_path=str(file)
        )
    finally:
        FeatureExtractorInceptionV3.load_state_dict = load
    torch.save(like(empty), file)
    return file


def test_inception_with_weights_of_its_shapes(
    monkeypatch: pytest.MonkeyPatch, inception_weights: Path, drawings: np.ndarray
) -> None:
    """Not the real ones, which no registry has; the code that uses them is the real one."""
    weights = published(monkeypatch, inception, inception_weights)
    encoder = load_encoder("inception", CPU)
    found = encode(encoder, drawings[:5], CPU)
    assert found.features.shape == (5, 2048)
    assert found.logits.shape == (5, 1008)
    assert np.isfinite(found.features).all()

    reference = FeatureExtractorInceptionV3(
        "inception-v3-compat",
        ["2048", "logits_unbiased"],
        feature_extractor_weights_path=str(inception_weights),
    )
    with torch.inference_mode():
        features, logits = reference(torch.from_numpy(drawings[:5]).permute(0, 3, 1, 2))
    np.testing.assert_allclose(found.features, features, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(found.logits, logits, rtol=1e-3, atol=1e-4)
    assert weights.find() == inception_weights


def test_inception_sees_tensorflows_resize(
    monkeypatch: pytest.MonkeyPatch, inception_weights: Path
) -> None:
    """Pixel i of 299 is taken at i · 2/299, without others' half-pixel shift; (v − 128) / 128."""
    published(monkeypatch, inception, inception_weights)
    encoder = inception.Encoder(CPU)
    seen: list[Tensor] = []
    encoder.network.Conv2d_1a_3x3.register_forward_pre_hook(lambda _, x: seen.append(x[0]))
    picture = np.array([[0, 200], [0, 200]], np.uint8)[:, :, None].repeat(3, axis=2)
    encode(encoder, [picture], CPU)
    places = torch.arange(299) * 2 / 299
    expected = ((200 * places.clamp(max=1)) - 128) / 128
    torch.testing.assert_close(seen[0], expected.expand(1, 3, 299, 299), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("module", [inception, dinov2])
def test_missing_and_wrong_weights_are_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, module: object
) -> None:
    weights: Published = module.WEIGHTS  # type: ignore[attr-defined]
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    with pytest.raises(PipelineError) as fault:
        load_encoder(weights.name, CPU)
    kept = str(tmp_path / ".weights" / weights.url.rpartition("/")[2])
    for words in (kept, f"make {weights.name}", weights.variable, weights.url):
        assert words in fault.value.message
    monkeypatch.setenv(weights.variable, "/nowhere.pth")
    with pytest.raises(PipelineError, match=f"/nowhere.pth.*correct or unset {weights.variable}"):
        load_encoder(weights.name, CPU)
    wrong = tmp_path / "mine.pth"
    wrong.write_bytes(b"something else")
    monkeypatch.setenv(weights.variable, "mine.pth")
    with pytest.raises(PipelineError, match=f"{wrong} has the sha256 .*{weights.sha256[:16]}"):
        load_encoder(weights.name, CPU)


def test_dinov2_with_weights_of_its_shapes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, drawings: np.ndarray
) -> None:
    """The published file: 343 tensors, positions for 518², a mask token for training."""
    file = tmp_path / "dinov2.pth"
    network = timm.create_model("vit_large_patch14_dinov2", num_classes=0, img_size=518)
    state = like(network, mask_token=torch.zeros(1, 1024))
    assert len(state) == 343
    torch.save(state, file)
    published(monkeypatch, dinov2, file)
    encoder = dinov2.Encoder(CPU)
    found = encode(encoder, drawings[:2], CPU)
    assert found.logits.shape == (2, 0)
    with torch.inference_mode():
        seen = encoder.network.forward_features(encoder.normalised(torch.tensor(drawings[:2])))
    assert seen.shape == (2, 1 + 16 * 16, 1024)
    np.testing.assert_allclose(found.features, seen[:, 0], rtol=1e-4, atol=1e-5)
    assert not np.allclose(found.features, seen.mean(dim=1), rtol=1e-2)

    black, white = encoder.normalised(ENDS)
    for channel, (mean, deviation) in enumerate(zip(dinov2.MEAN, dinov2.DEVIATION, strict=True)):
        assert black[channel].mean().item() == pytest.approx(-mean / deviation, abs=1e-4)
        assert white[channel].mean().item() == pytest.approx((1 - mean) / deviation, abs=1e-4)


def test_positions_are_resampled_as_the_networks_authors_do() -> None:
    """The class token stays; 37² become 16²; a slope keeps its places, by 37 / 16.1."""
    y, x = torch.meshgrid(torch.arange(37.0), torch.arange(37.0), indexing="ij")
    patches = torch.stack([y, x], dim=-1).reshape(1, 37 * 37, 2)
    token = torch.tensor([[[5.0, 6.0]]])
    resampled = dinov2.resampled_positions(torch.cat([token, patches], dim=1), 16)
    assert resampled.shape == (1, 1 + 16 * 16, 2)
    assert torch.equal(resampled[:, :1], token)
    grid = resampled[0, 1:].reshape(16, 16, 2)
    places = (torch.arange(16) + 0.5) * 37 / 16.1 - 0.5
    assert (grid[1:15, 5, 0] - places[1:15]).mean().abs() < 0.02
    unshifted = (torch.arange(16) + 0.5) * 37 / 16 - 0.5
    assert (grid[1:15, 5, 0] - unshifted[1:15]).mean().abs() > 0.08
    torch.testing.assert_close(grid[..., 0], grid[..., 1].T)
