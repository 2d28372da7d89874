from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pokegan.compute.device import choose_precision
from pokegan.compute.randomness import Streams
from pokegan.core.errors import PipelineError
from pokegan.core.params import read_params
from pokegan.networks.sampling import sample_latents
from pokegan.networks.weights import load_generator, load_network, read_config, save_networks
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


def test_precision_is_what_was_asked_for() -> None:
    assert choose_precision("fp32", CPU) == "fp32"
    assert choose_precision("bf16", CPU) == "bf16"
    assert choose_precision("auto", CPU) in {"fp32", "bf16"}


def test_streams_are_independent_of_the_order_of_use() -> None:
    one, two = Streams(5), Streams(5)
    two["labels"], two["order"]
    torch.rand(9, generator=two["labels"])
    assert torch.equal(sample_latents(4, 2, one["latents"]), sample_latents(4, 2, two["latents"]))
    assert not torch.equal(
        sample_latents(4, 2, one["latents"]), sample_latents(4, 2, Streams(6)["latents"])
    )


FACTS = {"resolution": 32, "latent_dim": 8}


def saved(folder: Path) -> Path:
    gan = fresh("dcgan819")
    save_networks(folder, gan.networks, gan.configs, FACTS, [(3, 0.5, at_zero(gan))])
    return folder


def at_zero(gan: Any) -> dict[str, torch.Tensor]:
    """A generator's weights at some other moment."""
    return {name: torch.zeros_like(each) for name, each in gan.generator.state_dict().items()}


def test_a_model_is_loaded_as_it_was_saved(workspace: Path) -> None:
    generator, configuration = load_generator(saved(workspace / "model"))
    expected = fresh("dcgan819").generator.state_dict()
    assert all(torch.equal(value, expected[key]) for key, value in generator.state_dict().items())
    assert configuration["resolution"] == 32
    assert not generator.training


def test_a_snapshot_is_the_generator_at_another_moment(workspace: Path) -> None:
    snapshot = load_network(saved(workspace / "model"), "generator", step=3)
    assert all((each == 0).all() for each in snapshot.state_dict().values())
    assert read_config(workspace / "model")["snapshots"] == [{"step": 3, "epoch": 0.5}]
    with pytest.raises(PipelineError, match="4.safetensors is missing|cannot be read"):
        load_network(workspace / "model", "generator", step=4)


@pytest.mark.parametrize("name", ["dcgan819", "aegan"])
def test_every_network_is_loaded_as_it_was_saved(workspace: Path, name: str) -> None:
    gan = fresh(name, dropout_discriminator=0.1, upsampling="nearest", head_generator="dense")
    save_networks(workspace / "m", gan.networks, gan.configs, FACTS)
    for part, network in gan.networks.items():
        loaded = load_network(workspace / "m", part).state_dict()
        assert loaded.keys() == network.state_dict().keys()
        assert all(torch.equal(loaded[key], v) for key, v in network.state_dict().items())
    with pytest.raises(PipelineError, match="has no network 'critic'; it holds generator"):
        load_network(workspace / "m", "critic")


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda f: (f / "config.json").unlink(), "config.json is missing"),
        (lambda f: (f / "config.json").write_text("{"), "cannot be read"),
        (lambda f: (f / "config.json").write_text("{}"), "cannot be read"),
        (lambda f: (f / "generator.safetensors").write_bytes(b"half"), "cannot be read"),
        (lambda f: (f / "generator.safetensors").unlink(), "cannot be read|is missing"),
    ],
)
def test_a_damaged_model_is_named(workspace: Path, damage: Any, words: str) -> None:
    folder = saved(workspace / "model")
    damage(folder)
    with pytest.raises(PipelineError, match=words):
        load_generator(folder)


def test_nan_weights_are_named(workspace: Path) -> None:
    gan = fresh("dcgan819")
    with torch.no_grad():
        gan.generator.layers[1].weight[0] = float("nan")
    save_networks(workspace / "m", gan.networks, gan.configs, FACTS)
    with pytest.raises(PipelineError, match=r"the generator's layers.1.weight holds NaN"):
        load_generator(workspace / "m")
    weights = gan.generator.state_dict()
    save_networks(workspace / "s", {}, gan.configs, FACTS, [(3, 0.5, weights)])
    with pytest.raises(PipelineError, match=r"generator of step 3's layers.1.weight holds NaN"):
        load_network(workspace / "s", "generator", step=3)
