"""What a person sees while a network trains: on standard error, never part of a result."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, SupportsFloat

import click
from tqdm import tqdm

if TYPE_CHECKING:
    from stages.gan.training import Moment, Schedule


class TrainingProgress:
    """A bar with epoch, step, losses, pictures/s and time left; without a terminal, lines.

    Reading a loss waits for the device, so the bar does so at most once a second.
    """

    def __init__(self, name: str, schedule: Schedule) -> None:
        self._name = name
        self._schedule = schedule
        self._started = self._refreshed = time.monotonic()
        self._bar = tqdm(
            total=schedule.steps, desc=name, unit="step", disable=not sys.stderr.isatty()
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
        """Since the start."""
        return time.monotonic() - self._started

    def pictures_per_second(self, step: int) -> float:
        """Mean speed since the start."""
        return step * self._schedule.batch_size / max(self.seconds, 1e-9)

    def step(self, moment: Moment) -> None:
        """Show MOMENT, the newest step."""
        now = time.monotonic()
        if self._bar.disable:
            if moment.means is not None:
                click.echo(self._line(moment, moment.means), err=True)
        elif now - self._refreshed >= 1:
            self._refreshed = now
            self._bar.set_postfix_str(self._figures(moment, moment.latest), refresh=False)
        self._bar.update()

    def _line(self, moment: Moment, losses: Mapping[str, SupportsFloat]) -> str:
        steps = self._schedule.steps
        left = self.seconds / moment.step * (steps - moment.step) / 60
        figures = self._figures(moment, losses)
        return f"{self._name}: step {moment.step}/{steps}, {figures}, {left:.1f} min left"

    def _figures(self, moment: Moment, losses: Mapping[str, SupportsFloat]) -> str:
        shown = ", ".join(
            f"{name.replace('_', ' ')} {float(value):.3f}"
            for name, value in losses.items()
            if name.endswith("loss")
        )
        speed = self.pictures_per_second(moment.step)
        return f"epoch {moment.epoch:.2f}, {shown}, {speed:.0f} pictures/s"
