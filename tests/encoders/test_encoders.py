import dataclasses
import hashlib
import json
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from click.testing import CliRunner
from scipy.special import softmax
from skimage.data import chelsea, coffee
from torch import Tensor, nn
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

from pokegan.cli.fetch import fetch
from pokegan.core import published_weights
from pokegan.core.errors import PipelineError
from pokegan.core.published_weights import packaged
from pokegan.encoders import alexnet, dinov2, effnet_lite0, inception
from pokegan.metrics import encoding
from pokegan.metrics.encoding import Encoder, encode, load_encoder
from tests.conftest import Stage, assert_one_sentence, set_params, succeed
from tests.models import save_model

CPU = torch.device("cpu")
ESPRESSO, CATS = 967, [281, 282, 285]  # tabby, tiger cat, Egyptian cat
BLACK_AND_WHITE = torch.tensor([0, 255], dtype=torch.uint8)[:, None, None, None].expand(2, 8, 8, 3)


@pytest.fixture(scope="module")
def effnet() -> Encoder:
    return load_encoder("effnet_lite0", CPU)


def center_crop(image: np.ndarray) -> np.ndarray:
    side = min(image.shape[:2])
    top, left = ((size - side) // 2 for size in image.shape[:2])
    return image[None, top : top + side, left : left + side]


def test_effnet_classifies_photographs(effnet: Encoder) -> None:
    """Guards weights, order of tensors and normalization; a wrong one raises no error."""
    found = encode(effnet, center_crop(coffee()), CPU)
    assert (found.features.shape, found.logits.shape) == ((1, 1280), (1, 1000))
    assert softmax(found.logits[0])[ESPRESSO] > 0.9
    assert softmax(encode(effnet, center_crop(chelsea()), CPU).logits[0])[CATS].sum() > 0.7
    # Mean and deviation 0.5 scale to [-1, 1]; ImageNet's own would cost 11 points of accuracy.
    black, white = effnet.normalize(BLACK_AND_WHITE)
    torch.testing.assert_close(black, -torch.ones_like(black))
    torch.testing.assert_close(white, torch.ones_like(white))


def test_features_do_not_depend_on_the_batch(
    effnet: Encoder, drawings: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    same = partial(np.testing.assert_allclose, rtol=1e-3, atol=1e-4)
    done: list[int] = []
    alone = np.concatenate([encode(effnet, drawings[i : i + 1], CPU).features for i in range(9)])
    same(encode(effnet, drawings[:9], CPU, done.append).features, alone)
    assert sum(done) == 9
    larger = drawings[0].repeat(2, axis=0).repeat(2, axis=1)
    mixed = encode(effnet, [drawings[0], larger, larger[:50], drawings[1]], CPU)
    same(mixed.features[[0, 3]], alone[:2])
    monkeypatch.setitem(encoding.BATCH_PIXELS, "cpu", 64 * effnet.side**2)
    same(encode(effnet, drawings[:9], CPU).features, alone)
    with pytest.raises(ValueError, match="no images"):
        encode(effnet, [], CPU)


def test_features_do_not_depend_on_the_number_of_threads(
    effnet: Encoder, drawings: np.ndarray
) -> None:
    found, before = [], torch.get_num_threads()
    for threads in (1, 3):
        torch.set_num_threads(threads)
        found.append(encode(effnet, drawings[:9], CPU).features)
        assert torch.get_num_threads() == threads
    torch.set_num_threads(before)
    np.testing.assert_array_equal(*found)


def test_folded_batch_norms_and_padding_keep_the_features(effnet: Any) -> None:
    published = timm.create_model("tf_efficientnet_lite0", pretrained=False).eval()
    weights = torch.load(
        packaged(effnet_lite0.PACKAGE, effnet_lite0.FILE, effnet_lite0.SHA256), weights_only=True
    )
    names = published.state_dict()
    published.load_state_dict(dict(zip(names, weights.values(), strict=True)))
    images = effnet.normalize(torch.from_numpy(center_crop(coffee()).copy()))
    with torch.inference_mode():
        torch.testing.assert_close(effnet.network(images), published(images), rtol=1e-4, atol=1e-4)
    assert not any(isinstance(each, nn.BatchNorm2d) for each in effnet.network.modules())


def test_features_of_alexnet_are_means_of_maps(drawings: np.ndarray) -> None:
    encoder = alexnet.Encoder(CPU)
    found = encode(encoder, drawings[:5], CPU)
    assert (found.features.shape, found.logits.shape) == ((5, 1152), (5, 0))
    maps = encoder.maps(torch.from_numpy(drawings[:5]))
    assert [each.shape[1] for each in maps] == [64, 192, 384, 256, 256]
    np.testing.assert_allclose(found.features[:, -256:], maps[-1].mean(dim=(2, 3)), atol=1e-5)
    # Trained filters respond to an image more than to its average color.
    blank = np.broadcast_to(drawings[:5].mean(axis=(1, 2), keepdims=True), drawings[:5].shape)
    assert (
        found.features.mean() > 1.2 * encode(encoder, blank.astype(np.uint8), CPU).features.mean()
    )


@pytest.mark.parametrize("module", [effnet_lite0, alexnet])
def test_changed_and_missing_packages_of_weights_are_errors(
    module: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, file = module.__name__.rpartition(".")[2], Path(module.FILE).name
    with monkeypatch.context() as patch:
        patch.setattr(module, "SHA256", "0" * 64)
        with pytest.raises(PipelineError, match=rf"{file} has the sha256 .*`make clean-env env`"):
            load_encoder(name, CPU)
    monkeypatch.setattr(published_weights, "find_spec", lambda name: None)
    with pytest.raises(PipelineError, match=f"package {module.PACKAGE} is not installed"):
        load_encoder(name, CPU)


def load_published(module: Any, file: Path) -> Any:
    """Load an encoder as if the file were the published one."""
    weights, sha256 = module.WEIGHTS, hashlib.sha256(file.read_bytes()).hexdigest()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "WEIGHTS", dataclasses.replace(weights, sha256=sha256))
        patch.setenv(weights.variable, str(file))
        assert module.WEIGHTS.find() == file
        return load_encoder(weights.name, CPU)


def random_weights(network: torch.nn.Module, **others: Tensor) -> dict[str, Tensor]:
    """Weights of the network's shapes, small enough for finite features."""
    torch.manual_seed(0)
    return {
        name: torch.rand(each.shape) * 0.05 + 0.5 * ("running_var" in name)
        for name, each in {**network.state_dict(), **others}.items()
    }


@pytest.fixture(scope="module")
def inception_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights in the format of the published file."""
    file = tmp_path_factory.mktemp("inception") / "inception.pth"
    torch.save({}, file)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FeatureExtractorInceptionV3, "load_state_dict", lambda *_: None)
        network = FeatureExtractorInceptionV3(
            "inception-v3-compat", ["2048"], feature_extractor_weights_path=str(file)
        )
    torch.save(random_weights(network), file)
    return file


@pytest.fixture(scope="module")
def inception_encoder(inception_weights: Path) -> Any:
    return load_published(inception, inception_weights)


def test_inception_equals_torch_fidelity(
    inception_encoder: Any, inception_weights: Path, drawings: np.ndarray
) -> None:
    found = encode(inception_encoder, drawings[:3], CPU)
    assert (found.features.shape, found.logits.shape) == ((3, 2048), (3, 1008))
    assert np.isfinite(found.features).all()
    reference = FeatureExtractorInceptionV3(
        "inception-v3-compat",
        ["2048", "logits_unbiased"],
        feature_extractor_weights_path=str(inception_weights),
    )
    with torch.inference_mode():
        features, logits = reference(torch.from_numpy(drawings[:3]).permute(0, 3, 1, 2))
    np.testing.assert_allclose(found.features, features, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(found.logits, logits, rtol=1e-3, atol=1e-4)


@pytest.mark.slow
def test_fid_with_weights_from_a_server(
    inception_weights: Path, stage: Stage, workspace: Path, drawings: np.ndarray,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """The stages of `make fid`, with a server on this machine in place of the public one."""
    handler = partial(QuietHandler, directory=str(inception_weights.parent))
    save_model(workspace / "model")
    np.save("pictures.npy", drawings)
    sha256 = hashlib.sha256(inception_weights.read_bytes()).hexdigest()
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/{inception_weights.name}"
        published = dataclasses.replace(inception.WEIGHTS, url=url, sha256=sha256)
        monkeypatch.setattr(inception, "WEIGHTS", published)
        succeed(CliRunner().invoke(fetch, ["inception"]))
        server.shutdown()
    set_params(workspace, {"evaluate.encoders": ["inception"]})
    succeed(stage("encode", "pictures.npy", "features.npz"))
    succeed(stage("evaluate", "dcgan819", "features.npz", "model", "scores.json", "scores.csv"))
    scores = json.loads(Path("scores.json").read_text())
    assert {"fid", "fid_spread", "fid_reals", "fid_infinity", "kid", "is"} <= scores.keys()
    Path(".weights/inception.pth").unlink()
    assert_one_sentence(CliRunner().invoke(fetch, ["inception"]), url, "could not be downloaded")


class QuietHandler(SimpleHTTPRequestHandler):
    """Serves a folder without a log."""

    def log_message(self, *_: object) -> None: ...


def test_inception_resizes_as_tensorflow_1(inception_encoder: Any) -> None:
    """Samples pixel i of 299 at i · 2/299, without a half-pixel shift; scales by (v − 128) / 128."""
    inputs: list[Tensor] = []
    layer = inception_encoder.network.Conv2d_1a_3x3
    hook = layer.register_forward_pre_hook(lambda _, x: inputs.append(x[0]))
    image = np.array([[0, 200], [0, 200]], np.uint8)[:, :, None].repeat(3, axis=2)
    encode(inception_encoder, [image], CPU)
    hook.remove()
    positions = torch.arange(299) * 2 / 299
    expected = ((200 * positions.clamp(max=1)) - 128) / 128
    torch.testing.assert_close(inputs[0], expected.expand(1, 3, 299, 299), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("module", [inception, dinov2])
def test_missing_and_wrong_weights_are_errors(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, module: Any
) -> None:
    weights = module.WEIGHTS
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    with pytest.raises(PipelineError) as error:
        load_encoder(weights.name, CPU)
    default = str(tmp_path / ".weights" / weights.url.rpartition("/")[2])
    for words in (default, f"make {weights.name}", weights.variable, weights.url):
        assert words in error.value.message
    monkeypatch.setenv(weights.variable, "/nowhere.pth")
    with pytest.raises(PipelineError, match=f"/nowhere.pth.*correct or unset {weights.variable}"):
        load_encoder(weights.name, CPU)
    wrong = tmp_path / "mine.pth"
    wrong.write_bytes(b"something else")
    monkeypatch.setenv(weights.variable, "mine.pth")
    with pytest.raises(PipelineError, match=f"{wrong} has the sha256 .*{weights.sha256[:16]}"):
        load_encoder(weights.name, CPU)


def test_dinov2_with_two_blocks(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, drawings: np.ndarray
) -> None:
    """In the format of the published file: positions for 518², a mask token for training."""
    create, name = timm.create_model, "vit_large_patch14_dinov2"
    with torch.device("meta"):
        published = create(name, num_classes=0, img_size=518).state_dict()
    assert len(published) + 1 == 343
    small = create(name, num_classes=0, img_size=518, depth=2)
    weights = random_weights(small, mask_token=torch.zeros(1, 1024))
    assert all(each.shape == published[key].shape for key, each in small.state_dict().items())
    torch.save(weights, tmp_path / "dinov2.pth")

    monkeypatch.setattr(timm, "create_model", partial(create, depth=2))
    encoder = load_published(dinov2, tmp_path / "dinov2.pth")
    found = encode(encoder, drawings[:2], CPU)
    assert found.logits.shape == (2, 0)
    with torch.inference_mode():
        tokens = encoder.network.forward_features(encoder.normalize(torch.tensor(drawings[:2])))
    assert tokens.shape == (2, 1 + 16 * 16, 1024)
    np.testing.assert_allclose(found.features, tokens[:, 0], rtol=1e-4, atol=1e-5)
    assert not np.allclose(found.features, tokens.mean(dim=1), rtol=1e-2)

    black, white = encoder.normalize(BLACK_AND_WHITE)
    for channel, (mean, std) in enumerate(zip(dinov2.MEAN, dinov2.STD, strict=True)):
        assert black[channel].mean().item() == pytest.approx(-mean / std, abs=1e-4)
        assert white[channel].mean().item() == pytest.approx((1 - mean) / std, abs=1e-4)


def test_positions_are_resampled_as_in_the_original_implementation() -> None:
    """The class token is kept, 37² positions become 16², and a ramp is scaled by 37 / 16.1."""
    y, x = torch.meshgrid(torch.arange(37.0), torch.arange(37.0), indexing="ij")
    patches = torch.stack([y, x], dim=-1).reshape(1, 37 * 37, 2)
    token = torch.tensor([[[5.0, 6.0]]])
    resampled = dinov2.resample_positions(torch.cat([token, patches], dim=1), 16)
    assert resampled.shape == (1, 1 + 16 * 16, 2)
    assert torch.equal(resampled[:, :1], token)
    grid = resampled[0, 1:].reshape(16, 16, 2)
    shifted, unshifted = ((torch.arange(16) + 0.5) * 37 / each - 0.5 for each in (16.1, 16))
    assert (grid[1:15, 5, 0] - shifted[1:15]).mean().abs() < 0.02
    assert (grid[1:15, 5, 0] - unshifted[1:15]).mean().abs() > 0.08
    torch.testing.assert_close(grid[..., 0], grid[..., 1].T)
