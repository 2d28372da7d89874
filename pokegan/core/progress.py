"""What a person sees while a network trains: on standard error, never part of a result."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, SupportsFloat

import click
from tqdm import tqdm

if TYPE_CHECKING:
    from pokegan.training.loop import Schedule, StepResult


def progress_bar(title: str, total: int) -> tqdm[Any]:
    """A bar that counts pictures; without a terminal, a line twice a minute."""
    every = 0.1 if sys.stderr.isatty() else 30
    return tqdm(desc=title, total=total, unit="picture", mininterval=every, miniters=1)


class TrainingProgress:
    """A bar with epoch, step, losses, pictures/s and time left; without a terminal, lines.

    Reading a loss waits for the device, so the bar does so at most once a second.
    """

    def __init__(self, name: str, schedule: Schedule, step: int = 0, seconds: float = 0.0) -> None:
        """A training that has come to STEP in SECONDS before."""
        self._name = name
        self._schedule = schedule
        self._begun_at, self._seconds_before = step, seconds
        self._started = self._refreshed = time.monotonic()
        self._bar = tqdm(
            total=schedule.steps,
            initial=step,
            desc=name,
            unit="step",
            disable=not sys.stderr.isatty(),
        )

    def __enter__(self) -> TrainingProgress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.close()

    @property
    def seconds(self) -> float:
        """Of training, those before an interruption among them."""
        return self._seconds_before + time.monotonic() - self._started

    def say(self, sentence: str) -> None:
        """Write SENTENCE beside the bar."""
        self._bar.write(sentence, file=sys.stderr)

    def step(self, moment: StepResult) -> None:
        """Show MOMENT, the newest step."""
        now = time.monotonic()
        if self._bar.disable:
            if moment.means is not None:
                click.echo(self._line(moment, moment.means), err=True)
        elif now - self._refreshed >= 1:
            self._refreshed = now
            self._bar.set_postfix_str(self._figures(moment, moment.latest), refresh=False)
        self._bar.update()

    def _line(self, moment: StepResult, losses: Mapping[str, SupportsFloat]) -> str:
        steps = self._schedule.steps
        left = (steps - moment.step) / self._steps_per_second(moment.step) / 60
        figures = self._figures(moment, losses)
        return f"{self._name}: step {moment.step}/{steps}, {figures}, {left:.1f} min left"

    def _figures(self, moment: StepResult, losses: Mapping[str, SupportsFloat]) -> str:
        shown = ", ".join(
            f"{name.replace('_', ' ')} {float(value):.3f}"
            for name, value in losses.items()
            if name.endswith("loss")
        )
        speed = self._steps_per_second(moment.step) * self._schedule.batch_size
        return f"epoch {moment.epoch:.2f}, {shown}, {speed:.0f} pictures/s"

    def _steps_per_second(self, step: int) -> float:
        elapsed = max(time.monotonic() - self._started, 1e-9)
        return max(step - self._begun_at, 1) / elapsed
