"""The one training loop: batches in, moments out."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import isfinite
from typing import Any

import torch
from torch import Tensor, nn

from pokegan.compute.device import autocast
from pokegan.compute.distributed import ProcessGroup, all_reduce_mean
from pokegan.compute.randomness import Streams
from pokegan.core.errors import PipelineError
from pokegan.networks.sampling import from_uint8, generate_images, sample_latents
from pokegan.training.cuda_graphs import GraphedStep
from pokegan.training.diversity import has_collapsed, nearest_distance
from pokegan.training.gan import Gan

SAMPLES = 64


class DivergedError(PipelineError):
    """A measure became NaN or infinite."""


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
class StepResult:
    """What is known after a step.

    LATEST are the step's own measures, scalars on the device: reading one waits for it.
    MEANS since the last means come with each snapshot and each end of an epoch. With each
    snapshot come SAMPLES (64, R, R, 3) uint8 of the fixed latents, and the weights of the
    GENERATOR that drew them, on the CPU.
    """

    step: int
    epoch: float
    latest: dict[str, Tensor]
    means: dict[str, float] | None = None
    samples: Tensor | None = None
    generator: dict[str, Tensor] | None = None


class Training:
    """A GAN on its way through a schedule, which can be left after any step and gone on with.

    Measures stay on the device until they are wanted, so that no step waits for one.

    Args:
        gan: the networks, with their initial weights.
        pictures: (N, R, R, 3) uint8; they live in the device's memory.
        schedule: how long.
        streams: where every random number comes from.
        device: where to compute.
        precision: "fp32" or "bf16", of convolutions and products.
        ema: decay of the moving average of the generator, which draws in its place; 0: none.
        processes: those that share the work.
    """

    def __init__(
        self,
        gan: Gan,
        pictures: Tensor,
        schedule: Schedule,
        streams: Streams,
        device: torch.device,
        precision: str,
        ema: float = 0.0,
        processes: ProcessGroup | None = None,
    ) -> None:
        self.gan, self.schedule, self.streams = gan, schedule, streams
        self.processes = processes or ProcessGroup()
        self.step = 0
        self._device, self._precision = device, precision
        # Dropout alone draws from torch's global generators, on each process its own numbers.
        torch.manual_seed(streams.seed(f"dropout of process {self.processes.rank}"))
        gan.prepare(device)
        self._decay = ema
        self._average = copy.deepcopy(gan.generator).requires_grad_(False) if ema else None
        self._z = sample_latents(SAMPLES, gan.latent_dim, streams["fixed latents"])
        rows = torch.linspace(0, len(pictures) - 1, min(SAMPLES, len(pictures))).round().long()
        self._spread = nearest_distance(pictures[rows])
        self._most_diverse = 0.0
        self._resident = pictures.to(device)
        self._order = torch.empty(0, dtype=torch.long)
        self._names: list[str] = []
        self._sums = torch.zeros((), device=device)
        self._since = 0
        self._broken_at = torch.zeros((), dtype=torch.long, device=device)
        self._broken = torch.zeros((), device=device)
        self._advance: Callable[[dict[str, Tensor]], Tensor] = self._compute
        graphs = device.type == "cuda" and os.environ.get("POKEGAN_CUDA_GRAPHS") != "0"
        if graphs and self.processes.count == 1:
            self._advance = GraphedStep(self._compute)

    @property
    def networks(self) -> dict[str, nn.Module]:
        """What a trained model consists of; the moving average, too, where there is one."""
        if self._average is None:
            return self.gan.networks
        return {**self.gan.networks, "generator_ema": self._average}

    @property
    def _drawing(self) -> nn.Module:
        return self.gan.generator if self._average is None else self._average

    @property
    def configs(self) -> dict[str, dict[str, Any]]:
        """What each of the networks is built from."""
        own = self.gan.configs
        return own if self._average is None else {**own, "generator_ema": own["generator"]}

    def moments(self) -> Iterator[StepResult]:
        """Train to the end of the schedule, one step a moment.

        Raises:
            DivergedError: a measure became NaN or infinite.
        """
        schedule = self.schedule
        while self.step < schedule.steps:
            position = self.step % schedule.steps_per_epoch * schedule.batch_size
            if position == 0:
                self._order = torch.randperm(schedule.pictures, generator=self.streams["order"])
            inputs = self.gan.sample_inputs(schedule.batch_size, self.streams)
            inputs["rows"] = self._order[position : position + schedule.batch_size]
            measures = self._advance({name: self._send(each) for name, each in inputs.items()})
            self.step += 1
            self._sums = self._sums + measures
            self._since += 1
            broken = ~measures.isfinite().all() & (self._broken_at == 0)
            self._broken_at = torch.where(broken, self.step, self._broken_at)
            self._broken = torch.where(broken, measures, self._broken)
            epoch = self.step / schedule.steps_per_epoch
            latest = dict(zip(self._names, measures.unbind(), strict=True))
            if schedule.is_snapshot(self.step) or schedule.is_epoch_end(self.step):
                means, samples = self._read()
                if schedule.is_snapshot(self.step):
                    weights = {
                        name: each.to("cpu", copy=True)
                        for name, each in self._drawing.state_dict().items()
                    }
                    yield StepResult(self.step, epoch, latest, means, samples, weights)
                else:
                    yield StepResult(self.step, epoch, latest, means)
            else:
                yield StepResult(self.step, epoch, latest)

    def _send(self, batch: Tensor) -> Tensor:
        """The share of BATCH for this process, on the device without waiting for it."""
        share = self.processes.shard(batch)
        if self._device.type == "cuda":
            share = share.contiguous().pin_memory()
        return share.to(self._device, non_blocking=True)

    def _compute(self, inputs: dict[str, Tensor]) -> Tensor:
        real = from_uint8(self._resident[inputs["rows"]])
        with autocast(self._precision, self._device):
            measures = self.gan.step(real, inputs)
        if self._average is not None:
            self._follow(self._average)
        self._names = list(measures)
        return torch.stack(list(measures.values()))

    @torch.no_grad()
    def _follow(self, average: nn.Module) -> None:
        """Move AVERAGE towards the generator, buffers as well as weights."""
        # torch's AveragedModel reads its counter from the device in each step.
        now = self.gan.generator.state_dict()
        for name, kept in average.state_dict().items():
            if kept.is_floating_point():
                kept.lerp_(now[name], 1 - self._decay)
            else:
                kept.copy_(now[name])

    def _read(self) -> tuple[dict[str, float], Tensor]:
        """Means since the last reading, how diverse the samples are, and the samples."""
        self.check()
        values = all_reduce_mean(self._sums / self._since).tolist()
        self._sums, self._since = torch.zeros_like(self._sums), 0
        samples = generate_images(self._drawing, self._z)
        diversity = nearest_distance(samples) / max(self._spread, 1e-9)
        self._most_diverse = max(self._most_diverse, diversity)
        return {
            **dict(zip(self._names, values, strict=True)),
            "diversity": diversity,
            "collapsed": float(has_collapsed(diversity, self._most_diverse, self.step)),
        }, samples

    def check(self) -> None:
        """Wait for the device and see whether every measure so far is a number.

        Raises:
            DivergedError: one is not; named with the step that it happened in.
        """
        own, last = int(self._broken_at), self.schedule.steps
        step = last - self.processes.all_reduce_max(last - own if own else -1)
        if step <= last:
            values = zip(self._names, self._broken.tolist(), strict=True) if own == step else ()
            broken = [(name, value) for name, value in values if not isfinite(value)]
            name, value = broken[0] if broken else ("a measure of another process", "no number")
            raise DivergedError(
                f"{name} became {value} at step {step}: the training has diverged; "
                "lower lr, or set precision to fp32."
            )

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next step depends on. Every process must call it.

        Raises:
            DivergedError: the training has; such a state is never kept.
        """
        self.check()
        dropout = {"cpu": torch.get_rng_state()}
        if self._device.type == "cuda":
            dropout["cuda"] = torch.cuda.get_rng_state(self._device)
        return {
            "step": self.step,
            "networks": {name: each.state_dict() for name, each in self.gan.networks.items()},
            "average": self._average.state_dict() if self._average is not None else None,
            "optimizers": {name: each.state_dict() for name, each in self.gan.optimizers.items()},
            "streams": self.streams.state_dict(),
            "dropout": self.processes.gather(dropout),
            "order": self._order,
            "names": self._names,
            "sums": self._sums,
            "since": self._since,
            "most_diverse": self._most_diverse,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Stand where STATE was taken; its tensors are on the CPU."""
        self.step = state["step"]
        for name, network in self.gan.networks.items():
            network.load_state_dict(state["networks"][name])
        if self._average is not None:
            self._average.load_state_dict(state["average"])
        for name, optimizer in self.gan.optimizers.items():
            optimizer.load_state_dict(state["optimizers"][name])
        self.streams.load_state_dict(state["streams"])
        dropout = state["dropout"][self.processes.rank]
        torch.set_rng_state(dropout["cpu"])
        if self._device.type == "cuda":
            torch.cuda.set_rng_state(dropout["cuda"], self._device)
        self._order, self._names = state["order"], state["names"]
        self._sums, self._since = state["sums"].to(self._device), state["since"]
        self._most_diverse = state["most_diverse"]
