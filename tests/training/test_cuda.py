"""Training on a GPU; skipped without one."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pokegan.compute.device import set_deterministic
from pokegan.training.loop import Training
from tests.conftest import augmentation
from tests.training.common import EVERYTHING, equal, make_training, weights

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")


def on_gpu(
    images: np.ndarray, name: str = "dcgan819", precision: str = "bf16", **changes: Any
) -> Training:
    set_deterministic(1)
    changes = {**EVERYTHING, "epochs": 5, "dropout_generator": 0.0, **changes}
    return make_training(images, name, precision, "cuda:0", **changes)


@pytest.mark.parametrize("name", ["dcgan819", "aegan"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("upsampling", ["transposed", "bilinear"])
def test_equal_seeds_give_equal_weights(
    drawings: np.ndarray, name: str, precision: str, upsampling: str
) -> None:
    results = []
    for _ in range(2):
        training = on_gpu(drawings, name, precision, upsampling=upsampling)
        list(training.run())
        results.append(weights(training))
    assert equal(*results)


@pytest.mark.parametrize("name", ["dcgan819", "aegan"])
@pytest.mark.parametrize("optimizer", ["adam", "rmsprop"])
def test_a_graph_computes_the_same_as_eager_steps(
    drawings: np.ndarray,
    name: str,
    optimizer: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Without dropout, whose masks may differ in a graph.
    changes = {"optimizer": optimizer, "dropout_discriminator": 0.0}
    graphed = on_gpu(drawings, name, "fp32", **changes)
    list(graphed.run())
    monkeypatch.setenv("POKEGAN_CUDA_GRAPHS", "0")
    eager = on_gpu(drawings, name, "fp32", **changes)
    list(eager.run())
    one, two = weights(graphed), weights(eager)
    assert all(torch.allclose(one[k].float(), two[k].float(), atol=1e-4) for k in one)


@pytest.mark.parametrize(
    "changes",
    [
        {"upsampling": "nearest"},
        {"augmentation": augmentation()},
        {"loss": "relativistic", "r1": 1.0},
        {"architecture": "mlp"},
        {"normalization_generator": "instance", "normalization_discriminator": "layer"},
        {"head_generator": "dense", "head_discriminator": "dense", "spectral_norm": False},
    ],
)
def test_every_architecture_can_be_captured(drawings: np.ndarray, changes: dict[str, Any]) -> None:
    *_, last = on_gpu(drawings, **changes).run()
    assert last.step == 20


@pytest.mark.parametrize("dropout", [0.0, 0.2])
@pytest.mark.parametrize("name", ["dcgan819", "aegan"])
def test_a_resumed_training_ends_with_the_same_weights(
    drawings: np.ndarray, tmp_path: Path, name: str, dropout: float
) -> None:
    straight = on_gpu(drawings, name, dropout_discriminator=dropout)
    list(straight.run())
    first = on_gpu(drawings, name, dropout_discriminator=dropout)
    results = first.run()
    for _ in range(9):
        next(results)
    torch.save(first.state_dict(), tmp_path / "state")
    second = on_gpu(drawings, name, dropout_discriminator=dropout)
    second.load_state_dict(torch.load(tmp_path / "state", map_location="cpu", weights_only=True))
    list(second.run())
    assert equal(weights(straight), weights(second))


def test_no_step_waits_for_the_device(drawings: np.ndarray) -> None:
    results = on_gpu(drawings).run()
    for _ in range(4):
        next(results)
    torch.cuda.set_sync_debug_mode("error")
    try:
        for _ in range(2):
            next(results)
    finally:
        torch.cuda.set_sync_debug_mode("default")
