"""A training that is interrupted and resumed ends with the same weights."""

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

from tests.conftest import ROOT
from tests.training.common import EVERYTHING, equal, make_training, weights


@pytest.mark.parametrize(
    ("name", "optimizer", "stop"),
    [
        ("dcgan819", "adam", 1),
        ("dcgan819", "rmsprop", 4),
        ("dcgan819", "adam", 7),
        ("aegan", "rmsprop", 1),
        ("aegan", "adam", 4),
        ("aegan", "adam", 7),
    ],
)
def test_a_resumed_training_ends_with_the_same_weights(
    workspace: Path, drawings: np.ndarray, tmp_path: Path, name: str, optimizer: str, stop: int
) -> None:
    """Interrupted within an epoch, at its end, and within the next; through a file and back."""
    changes: dict[str, Any] = {**EVERYTHING, "optimizer": optimizer}
    straight = make_training(drawings, name, **changes)
    expected = [(each.step, each.means) for each in straight.run()]

    first = make_training(drawings, name, **changes)
    results = first.run()
    before = [(each.step, each.means) for each in (next(results) for _ in range(stop))]
    torch.save(first.state_dict(), tmp_path / "state")
    torch.rand(5)  # other use of the global generator
    second = make_training(drawings, name, **changes)
    second.load_state_dict(torch.load(tmp_path / "state", weights_only=True))
    after = [(each.step, each.means) for each in second.run()]

    assert "generator_ema.layers.1.weight" in weights(second)
    assert equal(weights(straight), weights(second))
    assert before + after == expected


# Train with a checkpoint after each step, once per line of standard input.
SCRIPT = """
import os, sys
import numpy as np, torch
sys.path.insert(0, {root!r})
from pokegan.core.checkpoint import Checkpoint
from tests.training.common import EVERYTHING, make_training, weights
torch.set_num_threads(1)

def train():
    checkpoint = Checkpoint("train", "f")
    training = make_training(np.load("pictures.npy"), **{{**EVERYTHING, "epochs": 8}})
    state = checkpoint.open()
    if state:
        training.load_state_dict(state)
    with open("starts", "a") as starts:
        print(training.step, file=starts)
    for _ in training.run():
        checkpoint.save(training.state_dict())
    torch.save(weights(training), "weights")

# One process imports torch; its children train and are killed.
for line in sys.stdin:
    child = os.fork()
    if child == 0:
        train()
        os._exit(0)
    print(child, flush=True)
    print(os.waitpid(child, 0)[1], flush=True)
"""


def wait_for_saves(count: int) -> None:
    """Wait for a number of further checkpoints, or the end of the training."""
    state, deadline = Path(".work/train/f/state.pt"), time.monotonic() + 60

    def saved_at() -> int:
        return state.stat().st_mtime_ns if state.exists() else 0

    last = saved_at()
    while count and not Path("weights").exists() and time.monotonic() < deadline:
        time.sleep(0.001)
        if saved_at() != last:
            last, count = saved_at(), count - 1


@pytest.mark.slow
def test_a_training_that_is_killed_repeatedly_ends_with_the_same_weights(
    workspace: Path, drawings: np.ndarray
) -> None:
    torch.set_num_threads(1)
    straight = make_training(drawings, **{**EVERYTHING, "epochs": 8})
    list(straight.run())
    np.save("pictures.npy", drawings)
    rng = random.Random(0)
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT.format(root=str(ROOT))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={k: v for k, v in os.environ.items() if not k.startswith("DVC_")},
    ) as parent:
        assert parent.stdin is not None
        assert parent.stdout is not None
        killed = 0
        for _ in range(200):
            parent.stdin.write("train\n")
            parent.stdin.flush()
            child = int(parent.stdout.readline())
            if killed < 12:
                wait_for_saves(rng.randint(0, 3))
                time.sleep(rng.uniform(0.0, 0.03))
                with suppress(ProcessLookupError):  # it has finished
                    os.kill(child, signal.SIGKILL)
            if int(parent.stdout.readline()) == 0:
                break
            killed += 1
        parent.stdin.close()
    assert killed >= 8
    starts = [int(step) for step in Path("starts").read_text().split()]
    assert starts == sorted(starts)
    assert len(set(starts)) >= 6, "not killed between steps"
    assert equal(weights(straight), torch.load("weights", weights_only=True))
