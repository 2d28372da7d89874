"""A training that is stopped and gone on with is the same training."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pokegan.compute.randomness import Streams
from pokegan.core.params import read_params
from pokegan.training.diversity import has_collapsed, nearest_distance
from pokegan.training.loop import DivergedError, Schedule, Training
from stages.train import build
from tests.conftest import ROOT

CPU = torch.device("cpu")
# Every part of the state is in use: dropout, moving average, noisy labels, augmentation, both betas.
KNOBS = {
    "epochs": 2.5,
    "ema": 0.9,
    "dropout_generator": 0.1,
    "dropout_discriminator": 0.1,
    "label_noise": 0.1,
    "swapped_labels": 0.1,
    "augmentation": ["color", "translation", "cutout"],
}


def training(pictures: np.ndarray, name: str = "dcgan819", **changes: Any) -> Training:
    section = getattr(read_params(name), name).model_copy(update={**KNOBS, **changes})
    streams = Streams(3)
    return Training(
        build(section, 0.0002, 32, streams),
        torch.from_numpy(pictures),
        Schedule(len(pictures), 12, section.epochs, 3),
        streams,
        CPU,
        "fp32",
        section.ema,
    )


def weights(of: Training) -> dict[str, torch.Tensor]:
    return {
        f"{name}.{key}": value.clone()
        for name, network in of.networks.items()
        for key, value in network.state_dict().items()
    }


def rows(moments: list[Any]) -> list[Any]:
    return [(m.step, m.means) for m in moments if m.means]


def test_a_snapshot_is_the_generator_that_drew(drawings: np.ndarray) -> None:
    """A copy, which the next step does not change; the moving average where there is one."""
    gone = training(drawings, "dcgan819")
    kept = [m for m in gone.moments() if m.generator is not None]
    assert [m.samples is not None for m in kept] == [True] * len(kept)
    assert not torch.equal(*(m.generator["layers.1.weight"] for m in (kept[0], kept[-1])))
    last = gone.networks["generator_ema"].state_dict()
    assert all(torch.equal(kept[-1].generator[key], each) for key, each in last.items())


@pytest.mark.parametrize("name", ["dcgan819", "aegan"])
@pytest.mark.parametrize("optimizer", ["adam", "rmsprop"])
@pytest.mark.parametrize("stop", [1, 4, 7])
def test_going_on_gives_the_same_weights_to_the_bit(
    workspace: Path, drawings: np.ndarray, tmp_path: Path, name: str, optimizer: str, stop: int
) -> None:
    """Stopped within an epoch, at its end, and within the next; through a file and back."""
    straight = training(drawings, name, optimizer=optimizer)
    told = rows(list(straight.moments()))

    first = training(drawings, name, optimizer=optimizer)
    moments = first.moments()
    before = rows([next(moments) for _ in range(stop)])
    torch.save(first.state_dict(), tmp_path / "state")
    torch.rand(5)  # what happens between does not matter
    second = training(drawings, name, optimizer=optimizer)
    second.load_state_dict(torch.load(tmp_path / "state", weights_only=True))
    after = rows(list(second.moments()))

    expected, found = weights(straight), weights(second)
    assert expected.keys() == found.keys()
    assert "generator_ema.layers.1.weight" in expected
    assert all(torch.equal(expected[key], found[key]) for key in expected)
    assert before + after == told


# Trains with a save after each step, as often as it is started, and writes the weights at its end.
SCRIPT = """
import sys
import numpy as np, torch
sys.path.insert(0, {root!r})
from pathlib import Path
from pokegan.core.checkpoint import Checkpoint
from tests.training.test_resume import training, weights
from tests.conftest import TINY
torch.set_num_threads(1)

def run(folder, pictures):
    checkpoint = Checkpoint("train_dcgan819", "f")
    this = training(pictures, epochs=8)
    state = checkpoint.open()
    if state:
        this.load_state_dict(state)
    with open("starts", "a") as starts:
        print(this.step, file=starts)
    for moment in this.moments():
        checkpoint.save(this.state_dict())
    torch.save(weights(this), "weights")

import os
pictures = np.load("pictures.npy")
# One process imports torch; its children train, and can be killed.
for line in sys.stdin:
    child = os.fork()
    if child == 0:
        run(Path("."), pictures)
        os._exit(0)
    print(child, flush=True)
    print(os.waitpid(child, 0)[1], flush=True)
"""


def wait_for_saves(count: int) -> None:
    """Return when COUNT more states have been saved, or after two seconds."""
    state, deadline = Path(".work/train_dcgan819/f/state.pt"), time.monotonic() + 2

    def saved_at() -> int:
        return state.stat().st_mtime_ns if state.exists() else 0

    last = saved_at()
    while count and time.monotonic() < deadline:
        time.sleep(0.001)
        if saved_at() != last:
            last, count = saved_at(), count - 1


def test_killed_again_and_again_it_ends_with_the_same_weights(
    workspace: Path, drawings: np.ndarray
) -> None:
    torch.set_num_threads(1)
    straight = training(drawings, epochs=8)
    list(straight.moments())
    np.save("pictures.npy", drawings)
    chance = random.Random(0)
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT.format(root=str(ROOT))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={k: v for k, v in os.environ.items() if not k.startswith("DVC_")},
    ) as nursery:
        assert nursery.stdin is not None
        assert nursery.stdout is not None
        killed = 0
        for _ in range(200):
            nursery.stdin.write("go\n")
            nursery.stdin.flush()
            child = int(nursery.stdout.readline())
            if killed < 12:
                wait_for_saves(chance.randint(0, 3))
                time.sleep(chance.uniform(0.0, 0.03))
                with suppress(ProcessLookupError):  # it has come to its end
                    os.kill(child, signal.SIGKILL)
            if int(nursery.stdout.readline()) == 0:
                break
            killed += 1
        nursery.stdin.close()
    assert killed >= 8
    starts = [int(step) for step in Path("starts").read_text().split()]
    assert starts == sorted(starts)
    assert len(set(starts)) >= 6, "not killed between steps"
    found, expected = torch.load("weights", weights_only=True), weights(straight)
    assert all(torch.equal(expected[key], found[key]) for key in expected)


def test_a_diverged_training_has_no_state_to_keep(workspace: Path, drawings: np.ndarray) -> None:
    this = training(drawings)
    moments = this.moments()
    next(moments)
    with torch.no_grad():
        next(this.gan.networks["discriminator"].parameters()).fill_(torch.inf)
    next(moments)
    with pytest.raises(DivergedError, match="at step 2: the training has diverged"):
        this.state_dict()


def test_the_moving_average_is_one(workspace: Path, drawings: np.ndarray) -> None:
    """0.9·before + 0.1·now after each step, beginning with the initial weights."""
    this = training(drawings, ema=0.9)
    begun = this.gan.generator.state_dict().items()
    expected = {key: value.clone() for key, value in begun if value.is_floating_point()}
    for _ in this.moments():
        for key, value in this.gan.generator.state_dict().items():
            if value.is_floating_point():
                expected[key] = 0.9 * expected[key] + 0.1 * value
    averaged = this.networks["generator_ema"].state_dict()
    assert all(torch.allclose(averaged[key], expected[key], atol=1e-6) for key in expected)
    assert "generator_ema" not in training(drawings, ema=0.0).networks


def test_nearest_distance_by_hand() -> None:
    """Three grey pictures at 0, 51 and 255: the nearest are 51, 51 and 204 away, of 255."""
    greys = torch.tensor([0, 51, 255], dtype=torch.uint8).reshape(3, 1, 1, 1).expand(3, 4, 4, 3)
    assert nearest_distance(greys) == pytest.approx((51 + 51 + 204) / 3 / 255)
    assert nearest_distance(greys.repeat(2, 1, 1, 1)) == 0


def test_collapses_are_seen() -> None:
    assert not has_collapsed(0.01, 0.01, step=5)  # every generator begins so
    assert has_collapsed(0.09, 0.09, step=1000)
    assert not has_collapsed(0.4, 0.9, step=1000)
    assert has_collapsed(0.29, 0.9, step=100)
