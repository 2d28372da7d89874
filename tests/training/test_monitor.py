import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from pokegan.core.checkpoint import Checkpoint
from pokegan.core.errors import PipelineError
from pokegan.core.progress import progress_bar
from pokegan.training.history import TrainingHistory
from pokegan.training.loop import StepResult
from pokegan.training.monitor import TrainingMonitor, run_training
from tests.training.common import make_training


class FakeRun:
    """Records what is logged."""

    id = "1234"

    def __init__(self) -> None:
        self.steps: list[int | None] = []
        self.images: list[int | None] = []

    def log_metrics(self, values: Any, step: int | None = None) -> None:
        self.steps.append(step)

    def log_image(self, key: str, pixels: np.ndarray, step: int | None = None) -> None:
        assert pixels.dtype == np.uint8
        self.images.append(step)


@pytest.fixture
def monitor(workspace: Path) -> TrainingMonitor:
    history, bar = TrainingHistory(Path("s"), 12), progress_bar("dcgan819", 96)
    return TrainingMonitor(history, bar, FakeRun(), Checkpoint("train", "f"), 60)


def test_a_collapse_is_reported_once(
    monitor: TrainingMonitor, capsys: pytest.CaptureFixture[str]
) -> None:
    for step, collapsed in ((1, 0.0), (2, 1.0), (3, 1.0)):
        means = {"generator_loss": 1.0, "diversity": 0.05, "collapsed": collapsed}
        monitor.on_step(StepResult(step, step / 4, means))
    assert capsys.readouterr().err.count("Warning: at step 2 the samples are nearly alike") == 1
    assert pd.read_csv("s/history.csv")["collapsed"].tolist() == [0, 1, 1]


def test_rows_are_logged_with_their_samples(monitor: TrainingMonitor, drawings: np.ndarray) -> None:
    run_training(make_training(drawings, epochs=2, snapshots=1), monitor)
    assert isinstance(monitor.run, FakeRun)
    assert monitor.run.steps == [4, 8]
    assert monitor.run.images == [8]


def test_a_row_that_cannot_be_written_is_written_later(
    monitor: TrainingMonitor, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: Any) -> None:
        raise PipelineError("s/history.csv: the disk is full.")

    with monkeypatch.context() as patch:
        patch.setattr("pokegan.training.history.save_text", full)
        monitor.on_step(StepResult(1, 0.5, {"collapsed": 0.0}))
    assert "Warning: s/history.csv: the disk is full." in capsys.readouterr().err
    monitor.on_step(StepResult(2, 1.0, {"collapsed": 0.0}))
    assert pd.read_csv("s/history.csv")["step"].tolist() == [1, 2]


def test_a_signal_saves_the_state_between_two_steps(
    monitor: TrainingMonitor,
    drawings: np.ndarray,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    training = make_training(drawings, epochs=2)
    step = training.gan.step

    def interrupted(*args: Any) -> dict[str, torch.Tensor]:
        if training.step == 5:
            os.kill(os.getpid(), signal.SIGTERM)
        return step(*args)

    monkeypatch.setattr(training.gan, "step", interrupted)
    monitor.checkpoint.open()
    with pytest.raises(SystemExit) as exited:
        run_training(training, monitor)
    assert exited.value.code == 143
    assert "Stopped after step 6; run it again to resume." in capsys.readouterr().err
    monitor.checkpoint = None  # type: ignore[assignment]  # unlocks it
    state = Checkpoint("train", "f").open()
    assert state is not None
    assert state["training"]["step"] == 6
    assert state["run_id"] == "1234"
    assert [row["step"] for row in state["history"]["rows"]] == [4]


def test_full_device_memory_is_reported(
    monitor: TrainingMonitor, drawings: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    training = make_training(drawings)
    monkeypatch.setattr(training.gan, "step", full)
    with pytest.raises(PipelineError, match="memory of the device is full; lower batch_size"):
        run_training(training, monitor)
