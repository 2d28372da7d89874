"""Run a training: record, display and log its steps, save checkpoints, stop on signals."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from tqdm import tqdm

from pokegan.core.checkpoint import Checkpoint
from pokegan.core.errors import PipelineError
from pokegan.core.grids import grid
from pokegan.core.signals import GracefulInterrupt, exit_by_signal
from pokegan.training.history import Row, TrainingHistory
from pokegan.training.loop import StepResult, Training

GRID_COLUMNS = 8


class _Run(Protocol):
    """The part of `pokegan.tracking.run.Run` that a training uses."""

    @property
    def id(self) -> str | None: ...
    def log_metrics(self, values: Row, step: int | None = None) -> None: ...
    def log_image(self, key: str, pixels: np.ndarray, step: int | None = None) -> None: ...


@dataclass
class TrainingMonitor:
    """What the main process does besides training.

    Args:
        history: records each step.
        bar: progress over images.
        run: receives each row of the history, and its samples.
        checkpoint: where the state is saved.
        save_every: seconds between two checkpoints.
    """

    history: TrainingHistory
    bar: tqdm[Any]
    run: _Run
    checkpoint: Checkpoint
    save_every: float
    _started: float = field(default_factory=time.monotonic)
    _saved: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        """Duration of the training so far, without the time between interruption and resumption."""
        return time.monotonic() - self._started

    def on_step(self, result: StepResult) -> None:
        """Record, display and log a step."""
        self.bar.update(self.history.batch_size)
        row = self.history.add(result, self.seconds)
        if row is None:
            return
        losses = (f"{name.replace('_', ' ')} {row[name]:.3f}" for name in row if "loss" in name)
        self.bar.set_postfix_str(", ".join([f"epoch {result.epoch:.2f}", *losses]), refresh=False)
        if result.samples is not None:
            image = grid(result.samples.numpy(), GRID_COLUMNS)
            self.run.log_image("samples", image, step=result.step)
        self.run.log_metrics(row, step=result.step)
        previous = self.history.rows[-2:-1]
        if row["collapsed"] and not any(each["collapsed"] for each in previous):
            self.write(
                f"Warning: at step {result.step} the samples are nearly alike (diversity "
                f"{row['diversity']:.2f} times that of the real pictures): the generator has "
                "collapsed."
            )

    def is_save_due(self) -> bool:
        """Return whether the last checkpoint is too old."""
        return time.monotonic() - self._saved >= self.save_every

    def save(self, training: dict[str, Any]) -> None:
        """Save a checkpoint: the state of the training, its history and duration."""
        history, run_id = self.history.state_dict(), self.run.id
        state = {"training": training, "history": history, "run_id": run_id}
        self.checkpoint.save({**state, "seconds": self.seconds})
        self._saved = time.monotonic()

    def resume(self, state: dict[str, Any]) -> None:
        """Restore what `save` has saved besides the state of the training."""
        self._started -= state["seconds"]
        self.history.load_state_dict(state["history"])
        self.write(f"{self.bar.desc}: resumes after step {state['training']['step']}")

    def write(self, message: str) -> None:
        """Print a message without disturbing the bar."""
        self.bar.write(message, file=sys.stderr)


def run_training(training: Training, monitor: TrainingMonitor | None = None) -> None:
    """Train to the end of the schedule, in each process; in the main process with a monitor.

    After SIGINT or SIGTERM, save a checkpoint and exit.
    """
    processes, last_step = training.processes, training.schedule.steps
    try:
        with GracefulInterrupt() as interrupt:
            for result in training.run():
                is_due = False
                if monitor:
                    monitor.on_step(result)
                    is_due = result.step == last_step or monitor.is_save_due()
                # The processes agree on the most urgent request: a signal, then a checkpoint.
                request = processes.all_reduce_max(2 * interrupt.requested + is_due)
                if not request:
                    continue
                with interrupt.deferred():
                    state = training.state_dict()
                    if monitor:
                        monitor.save(state)
                    processes.all_reduce_max(0)  # no process exits before the state is saved
                if request > 1:
                    if monitor:
                        monitor.write(f"Stopped after step {result.step}; run it again to resume.")
                    exit_by_signal(request // 2)
    except torch.OutOfMemoryError as error:
        raise PipelineError(
            "The memory of the device is full; lower batch_size or width of the network, or "
            "prepare.resolution."
        ) from error
