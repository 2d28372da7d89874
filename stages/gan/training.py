"""The one training loop: batches in, moments out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite
from typing import Protocol

import torch
from torch import Tensor, nn

from stages.errors import PipelineError
from stages.gan.device import autocast
from stages.gan.networks import draw_pictures, from_bytes
from stages.gan.randomness import Streams, latents

SAMPLES = 64


class Gan(Protocol):
    """What the loop asks of a family of networks."""

    latent_dim: int
    networks: dict[str, nn.Module]

    @property
    def generator(self) -> nn.Module:
        """The network that draws."""

    def prepare(self, device: torch.device) -> None:
        """Move to DEVICE and make the optimizers."""

    def step(self, real: Tensor, streams: Streams) -> dict[str, Tensor]:
        """One optimisation step of every network; returns scalars on the device."""


@dataclass(frozen=True)
class Schedule:
    """How long, in which portions, and when to look."""

    pictures: int
    batch_size: int
    epochs: float
    snapshots: int

    @property
    def steps_per_epoch(self) -> int:
        """Whole batches only: batch norm dislikes a small rest."""
        return self.pictures // self.batch_size

    @property
    def steps(self) -> int:
        """All steps of the training; at least one."""
        return max(1, round(self.epochs * self.steps_per_epoch))

    def is_snapshot(self, step: int) -> bool:
        """True after evenly spaced steps (1-based), the last among them."""
        portions = min(self.snapshots, self.steps)
        return step * portions // self.steps != (step - 1) * portions // self.steps

    def is_epoch_end(self, step: int) -> bool:
        """True after the last step of an epoch and of the training."""
        return step % self.steps_per_epoch == 0 or step == self.steps


@dataclass(frozen=True)
class Moment:
    """What is known after a step.

    LATEST are the step's own measures, scalars on the device: reading one waits for it.
    MEANS since the last means come with each snapshot and each end of an epoch, SAMPLES
    (64, R, R, 3) uint8 of the fixed latents with each snapshot.
    """

    step: int
    epoch: float
    latest: dict[str, Tensor]
    means: dict[str, float] | None = None
    samples: Tensor | None = None


def train(
    gan: Gan,
    pictures: Tensor,
    schedule: Schedule,
    streams: Streams,
    device: torch.device,
    precision: str,
) -> Iterator[Moment]:
    """Train GAN on PICTURES (N, R, R, 3) uint8, one step a moment.

    Measures stay on the device until they are wanted, so that no step waits for one.

    Raises:
        PipelineError: a mean became NaN or infinite.
    """
    gan.prepare(device)
    resident = pictures.to(device)
    z = latents(SAMPLES, gan.latent_dim, streams["fixed latents"])
    sums: dict[str, Tensor] = {}
    since = 0
    order = torch.empty(0, dtype=torch.long)
    for step in range(1, schedule.steps + 1):
        position = (step - 1) % schedule.steps_per_epoch * schedule.batch_size
        if position == 0:
            order = torch.randperm(len(pictures), generator=streams["order"]).to(device)
        real = from_bytes(resident[order[position : position + schedule.batch_size]])
        with autocast(precision, device):
            latest = gan.step(real, streams)
        sums = {name: value + sums.get(name, 0) for name, value in latest.items()}
        since += 1
        epoch = step / schedule.steps_per_epoch
        if not (schedule.is_snapshot(step) or schedule.is_epoch_end(step)):
            yield Moment(step, epoch, latest)
            continue
        means = {name: float(value) / since for name, value in sums.items()}
        sums, since = {}, 0
        for name, mean in means.items():
            if not isfinite(mean):
                raise PipelineError(
                    f"{name} became {mean} at step {step} or shortly before: the training has "
                    "diverged; lower lr, or set precision to fp32."
                )
        samples = draw_pictures(gan.generator, z) if schedule.is_snapshot(step) else None
        yield Moment(step, epoch, latest, means, samples)
