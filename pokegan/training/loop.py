"""The training loop of every family of GANs."""

import copy
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from math import isfinite
from typing import Any

import torch
from torch import Tensor, nn

from pokegan.compute.device import autocast
from pokegan.compute.distributed import ProcessGroup, all_reduce_mean
from pokegan.compute.randomness import Streams
from pokegan.core.errors import PipelineError
from pokegan.networks.factory import NetworkConfig
from pokegan.networks.sampling import from_uint8, generate_images, sample_latents
from pokegan.training.cuda_graphs import GraphedStep
from pokegan.training.diversity import has_collapsed, nearest_distance
from pokegan.training.gan import Gan

N_SAMPLES = 64
EMA_RAMP_UP = 0.05  # the half-life is at most this share of the pictures seen


class DivergedError(PipelineError):
    """A metric became NaN or infinite."""


@dataclass(frozen=True)
class Schedule:
    """Length of a training, and the steps after which samples and the generator are recorded."""

    images: int
    batch_size: int
    epochs: float
    snapshots: int

    @property
    def steps_per_epoch(self) -> int:
        """Whole batches per epoch."""
        return self.images // self.batch_size

    @property
    def steps(self) -> int:
        """Steps of the whole training, at least one."""
        return max(1, round(self.epochs * self.steps_per_epoch))

    def is_snapshot(self, step: int) -> bool:
        """Return whether a step (from 1) is one of evenly spaced ones; the last step is one."""
        count = min(self.snapshots, self.steps)
        return step * count // self.steps != (step - 1) * count // self.steps

    def is_epoch_end(self, step: int) -> bool:
        """Return whether a step is the last of an epoch or of the training."""
        return step % self.steps_per_epoch == 0 or step == self.steps


@dataclass(frozen=True)
class StepResult:
    """Result of one training step.

    Attributes:
        step: number of the step, from 1.
        epoch: the same in epochs.
        means: at a snapshot or the end of an epoch, the metrics averaged over the steps since the
            last means, "diversity" of the samples and "collapsed".
        samples: at a snapshot, the images of the fixed latents, uint8 (64, R, R, 3).
        weights: at a snapshot, those of the generator that made the samples, on the CPU.
    """

    step: int
    epoch: float
    means: dict[str, float] | None = None
    samples: Tensor | None = None
    weights: dict[str, Tensor] | None = None


class Training:
    """The training of a GAN, which can be interrupted after any step and resumed.

    Args:
        gan: the networks, with their initial weights.
        images: uint8 (N, R, R, 3); they are kept in the memory of the device.
        schedule: length of the training.
        streams: source of all random numbers.
        device: where to compute.
        precision: "fp32" or "bf16", of convolutions and matrix products.
        processes: those that share each batch.
    """

    def __init__(
        self,
        gan: Gan,
        images: Tensor,
        schedule: Schedule,
        streams: Streams,
        device: torch.device,
        precision: str,
        processes: ProcessGroup | None = None,
    ) -> None:
        self.gan, self.schedule, self.streams = gan, schedule, streams
        self.processes = processes or ProcessGroup()
        self.step = 0
        self.device, self.precision = device, precision
        # Only dropout uses torch's global generators, with different numbers in each process.
        torch.manual_seed(streams.seed(f"dropout of process {self.processes.rank}"))
        gan.prepare(device, images)
        average = gan.params.ema_half_life > 0
        self._ema = copy.deepcopy(gan.generator).requires_grad_(False) if average else None
        self._z = sample_latents(N_SAMPLES, gan.latent_dim, streams["fixed latents"])
        rows = torch.linspace(0, len(images) - 1, min(N_SAMPLES, len(images))).round().long()
        self._real_distance = nearest_distance(images[rows])
        self._max_diversity = 0.0
        self.images = images.to(device)
        self._order = torch.empty(0, dtype=torch.long)
        self._names: list[str] = []
        self._sums, self._count = torch.zeros((), device=device), 0
        self._train_step: Callable[[dict[str, Tensor]], Tensor] = self._compute
        self._regularize: Callable[[dict[str, Tensor]], Tensor] = self._compute_penalty
        graphs = device.type == "cuda" and os.environ.get("POKEGAN_CUDA_GRAPHS") != "0"
        if graphs and self.processes.count == 1:
            self._train_step = GraphedStep(self._compute)
            self._regularize = GraphedStep(self._compute_penalty)

    @property
    def networks(self) -> dict[str, nn.Module]:
        """The trained networks by name, with the moving average of the generator, if any."""
        average = {} if self._ema is None else {"generator_ema": self._ema}
        return {**self.gan.networks, **average}

    @property
    def configs(self) -> dict[str, NetworkConfig]:
        """The configurations from which the networks are built."""
        return {name: self.gan.configs[name.removesuffix("_ema")] for name in self.networks}

    def run(self) -> Iterator[StepResult]:
        """Train until the schedule ends. Yields one `StepResult` per step.

        Raises:
            DivergedError: a metric became NaN or infinite.
        """
        schedule = self.schedule
        while self.step < schedule.steps:
            inputs = self._next_inputs()
            self._sums = self._sums + self._train_step(inputs)
            self._count += 1
            self.step += 1
            if self.gan.regularizes(self.step):
                self._regularize(inputs)
            result = StepResult(self.step, self.step / schedule.steps_per_epoch)
            if schedule.is_snapshot(self.step) or schedule.is_epoch_end(self.step):
                result = self._evaluate(result)
            yield result

    def _next_inputs(self) -> dict[str, Tensor]:
        """Return the random inputs of the next step and the rows of its batch, on the device."""
        schedule = self.schedule
        start = self.step % schedule.steps_per_epoch * schedule.batch_size
        if start == 0:
            self._order = torch.randperm(schedule.images, generator=self.streams["order"])
        inputs = self.gan.sample_inputs(schedule.batch_size, self.streams)
        inputs["rows"] = self._order[start : start + schedule.batch_size]
        if self.gan.params.mirror:
            chances = torch.rand(schedule.batch_size, generator=self.streams["mirror"])
            inputs["mirrored"] = chances < 0.5
        shards = {name: self.processes.shard(x) for name, x in inputs.items()}
        shards["ema_weight"] = torch.tensor(self._ema_weight())
        if self.device.type == "cuda":
            shards = {name: x.contiguous().pin_memory() for name, x in shards.items()}
        return {name: x.to(self.device, non_blocking=True) for name, x in shards.items()}

    def _compute(self, inputs: dict[str, Tensor]) -> Tensor:
        """Run one optimization step and return its metrics. A CUDA graph may replay it."""
        with autocast(self.precision, self.device):
            metrics = self.gan.step(self._real(inputs), inputs)
        if self._ema is not None:
            self._update_ema(self._ema, inputs["ema_weight"])
        self._names = list(metrics)
        return torch.stack(list(metrics.values()))

    def _compute_penalty(self, inputs: dict[str, Tensor]) -> Tensor:
        """Regularize the discriminator. A CUDA graph may replay it."""
        with autocast(self.precision, self.device):
            self.gan.regularize(self._real(inputs), inputs)
        return self._sums

    def _real(self, inputs: dict[str, Tensor]) -> Tensor:
        """Return the batch of training images, (N, 3, R, R) in [-1, 1], half of them mirrored."""
        images = from_uint8(self.images[inputs["rows"]])
        if "mirrored" not in inputs:
            return images
        mirrored = inputs["mirrored"][:, None, None, None]
        return torch.where(mirrored, images.flip(3), images)

    def _ema_weight(self) -> float:
        """Return the weight of the generator in the next update of its moving average."""
        half_life, batch = self.gan.params.ema_half_life, self.schedule.batch_size
        if not half_life:
            return 1.0
        half_life = min(half_life, EMA_RAMP_UP * (self.step + 1) * batch)
        return float(1 - 0.5 ** (batch / half_life))

    @torch.no_grad()
    def _update_ema(self, ema: nn.Module, weight: Tensor) -> None:
        """Move the averaged weights towards the generator's, and copy its buffers."""
        # torch's AveragedModel reads its counter from the device in each step.
        pairs = zip(ema.parameters(), self.gan.generator.parameters(), strict=True)
        for averaged, current in pairs:
            averaged.lerp_(current, weight)
        for copied, buffer in zip(ema.buffers(), self.gan.generator.buffers(), strict=True):
            copied.copy_(buffer)

    def _evaluate(self, result: StepResult) -> StepResult:
        """Add the means and, at a snapshot, the samples and the generator."""
        means = self._means()
        self._sums, self._count = torch.zeros_like(self._sums), 0
        generator = self.networks.get("generator_ema", self.gan.generator)
        samples = generate_images(generator, self._z)
        diversity = nearest_distance(samples) / max(self._real_distance, 1e-9)
        self._max_diversity = max(self._max_diversity, diversity)
        means["diversity"] = diversity
        means["collapsed"] = float(has_collapsed(diversity, self._max_diversity, self.step))
        if not self.schedule.is_snapshot(self.step):
            return replace(result, means=means)
        weights = {k: v.to("cpu", copy=True) for k, v in generator.state_dict().items()}
        return replace(result, means=means, samples=samples, weights=weights)

    def _means(self) -> dict[str, float]:
        """Average the metrics over the processes and the steps since the last evaluation."""
        values = all_reduce_mean(self._sums / self._count).tolist()
        for name, value in zip(self._names, values, strict=True):
            if not isfinite(value):
                raise DivergedError(
                    f"{name} became {value} by step {self.step}: the training has diverged; "
                    "lower lr, or set precision to fp32."
                )
        return dict(zip(self._names, values, strict=True))

    def state_dict(self) -> dict[str, Any]:
        """Return everything that the next step depends on. Every process must call this.

        Raises:
            DivergedError: a metric since the last evaluation is not finite.
        """
        if self._count:
            self._means()
        own = {"rng": torch.get_rng_state(), "sums": self._sums.cpu()}
        if self.device.type == "cuda":
            own["cuda_rng"] = torch.cuda.get_rng_state(self.device)
        return {
            "step": self.step,
            "networks": {name: each.state_dict() for name, each in self.networks.items()},
            "optimizers": {name: each.state_dict() for name, each in self.gan.optimizers.items()},
            "lecam": self.gan.lecam.state_dict(),
            "streams": self.streams.state_dict(),
            "processes": self.processes.gather(own),
            "order": self._order,
            "count": self._count,
            "max_diversity": self._max_diversity,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a state, whose tensors are on the CPU."""
        self.step = state["step"]
        for name, network in self.networks.items():
            network.load_state_dict(state["networks"][name])
        for name, optimizer in self.gan.optimizers.items():
            optimizer.load_state_dict(state["optimizers"][name])
        self.gan.lecam.load_state_dict(state["lecam"])
        self.streams.load_state_dict(state["streams"])
        own = state["processes"][self.processes.rank]
        torch.set_rng_state(own["rng"])
        if self.device.type == "cuda":
            torch.cuda.set_rng_state(own["cuda_rng"], self.device)
        self._order, self._max_diversity = state["order"], state["max_diversity"]
        self._sums, self._count = own["sums"].to(self.device), state["count"]
