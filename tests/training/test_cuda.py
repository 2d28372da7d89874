"""What only a GPU can show; passed over where there is none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pokegan.compute.device import set_deterministic
from pokegan.compute.randomness import Streams
from pokegan.core.params import read_params
from pokegan.training.loop import Schedule, Training
from stages.train import build

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")


def training(pictures: np.ndarray, name: str, precision: str = "bf16", **changes: Any) -> Training:
    set_deterministic(1)
    augmentation = ["color", "translation", "cutout"]
    knobs = {"ema": 0.9, "dropout_discriminator": 0.1, "augmentation": augmentation, **changes}
    section = getattr(read_params(name), name).model_copy(update=knobs)
    streams = Streams(3)
    return Training(
        build(section, 0.0002, 32, streams),
        torch.from_numpy(pictures),
        Schedule(len(pictures), 12, 5, 3),
        streams,
        torch.device("cuda", 0),
        precision,
        section.ema,
    )


def weights(of: Training) -> dict[str, torch.Tensor]:
    return {
        f"{name}.{key}": value.cpu()
        for name, network in of.networks.items()
        for key, value in network.state_dict().items()
    }


def equal(one: dict[str, torch.Tensor], two: dict[str, torch.Tensor]) -> bool:
    return one.keys() == two.keys() and all(torch.equal(one[key], two[key]) for key in one)


@pytest.mark.parametrize("name", ["dcgan819", "aegan"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("upsampling", ["transposed", "bilinear"])
def test_the_same_seed_gives_the_same_weights_to_the_bit(
    workspace: Path, drawings: np.ndarray, name: str, precision: str, upsampling: str
) -> None:
    found = []
    for _ in range(2):
        this = training(drawings, name, precision, upsampling=upsampling)
        list(this.moments())
        found.append(weights(this))
    assert equal(*found)


@pytest.mark.parametrize("name", ["dcgan819", "aegan"])
@pytest.mark.parametrize("optimizer", ["adam", "rmsprop"])
def test_a_recorded_step_is_a_plain_one(
    workspace: Path,
    drawings: np.ndarray,
    name: str,
    optimizer: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Without dropout: whether a graph draws the same masks is another question.
    knobs = {"optimizer": optimizer, "dropout_discriminator": 0.0}
    recorded = training(drawings, name, "fp32", **knobs)
    list(recorded.moments())
    monkeypatch.setenv("POKEGAN_CUDA_GRAPHS", "0")
    plain = training(drawings, name, "fp32", **knobs)
    list(plain.moments())
    one, two = weights(recorded), weights(plain)
    assert all(torch.allclose(one[k].float(), two[k].float(), atol=1e-4) for k in one)


@pytest.mark.parametrize(
    "knobs",
    [
        {"upsampling": "nearest"},
        {"augmentation": []},
        {"architecture": "mlp"},
        {"normalization_generator": "instance", "normalization_discriminator": "layer"},
        {"head_generator": "dense", "head_discriminator": "dense", "spectral_norm": False},
    ],
)
def test_every_kind_of_network_can_be_recorded(
    workspace: Path, drawings: np.ndarray, knobs: dict[str, Any]
) -> None:
    moments = list(training(drawings, "dcgan819", **knobs).moments())
    assert moments[-1].step == 20


@pytest.mark.parametrize("dropout", [0.0, 0.2])
@pytest.mark.parametrize("name", ["dcgan819", "aegan"])
def test_going_on_gives_the_same_weights_to_the_bit(
    workspace: Path, drawings: np.ndarray, tmp_path: Path, name: str, dropout: float
) -> None:
    straight = training(drawings, name, dropout_discriminator=dropout)
    list(straight.moments())
    first = training(drawings, name, dropout_discriminator=dropout)
    moments = first.moments()
    for _ in range(9):
        next(moments)
    torch.save(first.state_dict(), tmp_path / "state")
    second = training(drawings, name, dropout_discriminator=dropout)
    second.load_state_dict(torch.load(tmp_path / "state", map_location="cpu", weights_only=True))
    list(second.moments())
    assert equal(weights(straight), weights(second))


def test_no_step_waits_for_the_device(workspace: Path, drawings: np.ndarray) -> None:
    this = training(drawings, "dcgan819")
    moments = this.moments()
    for _ in range(4):
        next(moments)
    torch.cuda.set_sync_debug_mode("error")
    try:
        for _ in range(2):
            next(moments)
    finally:
        torch.cuda.set_sync_debug_mode("default")
