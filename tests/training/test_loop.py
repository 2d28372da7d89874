from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pokegan.compute.randomness import Streams
from pokegan.core.params import read_params
from pokegan.training.loop import DivergedError, Schedule, StepResult, Training
from stages.train import build

CPU = torch.device("cpu")


def fresh(name: str, lr: float = 0.0002, **changes: Any) -> Any:
    params = read_params(name)
    return build(getattr(params, name).model_copy(update=changes), lr, 32, Streams(0))


def follow(
    gan: Any, pictures: np.ndarray, precision: str = "fp32", **plan: Any
) -> list[StepResult]:
    schedule = Schedule(len(pictures), **{"batch_size": 12, "epochs": 2, "snapshots": 2, **plan})
    training = Training(gan, torch.from_numpy(pictures), schedule, Streams(3), CPU, precision)
    return list(training.moments())


def state(gan: Any) -> dict[str, torch.Tensor]:
    return {
        f"{name}.{key}": value.clone()
        for name, network in gan.networks.items()
        for key, value in network.state_dict().items()
    }


@pytest.mark.parametrize("name", ["dcgan819", "aegan"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("augmentation", [[], ["color", "translation", "cutout"]])
def test_the_same_seed_gives_the_same_weights_to_the_bit(
    workspace: Path, drawings: np.ndarray, name: str, precision: str, augmentation: list[str]
) -> None:
    results = []
    for _ in range(2):
        gan = fresh(name, augmentation=augmentation)
        follow(gan, drawings, precision)
        results.append(state(gan))
    assert all(torch.equal(results[0][key], results[1][key]) for key in results[0])


@pytest.mark.parametrize("name", ["dcgan819", "aegan"])
def test_every_network_learns(workspace: Path, drawings: np.ndarray, name: str) -> None:
    gan = fresh(name)
    before = {
        key: value.clone() for n in gan.networks.values() for key, value in n.named_parameters()
    }
    follow(gan, drawings)
    after = {key: value for n in gan.networks.values() for key, value in n.named_parameters()}
    assert all(not torch.equal(before[key], after[key]) for key in before)


def test_a_generator_learns_the_ground_of_the_pictures(
    workspace: Path, drawings: np.ndarray
) -> None:
    """After 200 steps the corners, grey at first, are nearly white as in every true picture."""
    gan = fresh("dcgan819", lr=0.002, width=16)
    moments = follow(gan, drawings, epochs=50)
    samples = moments[-1].samples
    assert samples is not None
    assert samples[:, :3, :3].float().mean() > 220


def test_a_divergence_names_what_broke_first(workspace: Path, drawings: np.ndarray) -> None:
    gan = fresh("dcgan819")
    honest, steps = gan.step, iter(range(9))

    def step(real: torch.Tensor, drawn: Any) -> dict[str, torch.Tensor]:
        measures = honest(real, drawn)
        broken = {1: ["generator_gradient"], 2: list(measures)}.get(next(steps), [])
        return measures | dict.fromkeys(broken, torch.tensor(torch.inf))

    gan.step = step
    with pytest.raises(DivergedError, match="generator_gradient became inf at step 2:"):
        follow(gan, drawings)


@pytest.mark.parametrize(
    ("epochs", "snapshots", "steps", "seen"),
    [
        (2, 2, 8, [4, 8]),
        (0.5, 2, 2, [1, 2]),
        (0.01, 5, 1, [1]),
        (2.5, 3, 10, [4, 7, 10]),
        (1, 100, 4, [1, 2, 3, 4]),
    ],
)
def test_schedule(epochs: float, snapshots: int, steps: int, seen: list[int]) -> None:
    schedule = Schedule(pictures=50, batch_size=12, epochs=epochs, snapshots=snapshots)
    assert schedule.steps == steps
    assert [s for s in range(1, steps + 1) if schedule.is_snapshot(s)] == seen


def test_moments_bring_means_and_samples(workspace: Path, drawings: np.ndarray) -> None:
    moments = follow(fresh("dcgan819"), drawings)
    assert [m.step for m in moments] == list(range(1, 9))
    assert [m.step for m in moments if m.means] == [4, 8]
    assert moments[-1].epoch == 2
    first = moments[3].means
    assert first is not None
    assert 0 < first.pop("diversity") < 2
    assert first.pop("collapsed") == 0
    for name, mean in first.items():
        singles = [float(m.latest[name]) for m in moments[:4]]
        assert mean == pytest.approx(np.mean(singles), rel=1e-5)


def test_every_picture_is_seen_once_an_epoch(workspace: Path) -> None:
    class Recorder:
        latent_dim = 2
        generator = torch.nn.Sequential(torch.nn.Linear(2, 48), torch.nn.Unflatten(1, (3, 4, 4)))
        networks: dict[str, torch.nn.Module] = {}
        optimizers: dict[str, torch.optim.Optimizer] = {}
        configs: dict[str, dict[str, Any]] = {}
        seen: list[float] = []

        def prepare(self, device: torch.device) -> None: ...

        def sample_inputs(self, count: int, streams: Streams) -> dict[str, torch.Tensor]:
            return {}

        def step(self, real: torch.Tensor, drawn: Any) -> dict[str, torch.Tensor]:
            self.seen += real[:, 0, 0, 0].tolist()
            return {"loss": torch.tensor(0.0)}

    pictures = torch.arange(48, dtype=torch.uint8).reshape(48, 1, 1, 1).expand(48, 4, 4, 3)
    recorder = Recorder()
    schedule = Schedule(48, 12, 2, 1)
    moments = Training(recorder, pictures, schedule, Streams(0), CPU, "fp32").moments()
    for _ in range(7):
        next(moments)
    assert len(set(recorder.seen[:48])) == 48
    assert recorder.seen[:36] != recorder.seen[48:84]


def test_a_diverged_training_is_stopped_and_named(workspace: Path, drawings: np.ndarray) -> None:
    gan = fresh("dcgan819")
    with torch.no_grad():
        next(gan.networks["discriminator"].parameters()).fill_(float("nan"))
    with pytest.raises(DivergedError, match=r"became nan at step 1: .*lower lr"):
        follow(gan, drawings)
