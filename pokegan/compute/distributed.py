"""Several processes that train as one, each on its share of every batch.

torchrun starts them and tells each its place. All draw the same random numbers and take every
n-th picture, latent and label of a batch; batch norm and gradients are averaged over all of them.
So the number of processes changes no more than the order of additions, and the masks of dropout.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import torch
from torch import Tensor, distributed, nn

from pokegan.core.errors import PipelineError

TIMEOUT = timedelta(minutes=10)


@dataclass(frozen=True)
class ProcessGroup:
    """One process among COUNT, which agree over GROUP on what to do next."""

    rank: int = 0
    count: int = 1
    group: Any = field(default=None, repr=False)

    @property
    def is_main(self) -> bool:
        """True for the one process that writes files, logs and speaks."""
        return self.rank == 0

    def shard(self, batch: Tensor) -> Tensor:
        """The part of BATCH (N, …) for this process: every count-th, beginning at its rank."""
        return batch[self.rank :: self.count]

    def all_reduce_max(self, value: int) -> int:
        """The largest VALUE of all the processes."""
        if self.count == 1:
            return value
        shared = torch.tensor(value)
        distributed.all_reduce(shared, distributed.ReduceOp.MAX, group=self.group)
        return int(shared)

    def gather(self, value: Any) -> list[Any]:
        """The VALUE of each process, by rank."""
        if self.count == 1:
            return [value]
        values: list[Any] = [None] * self.count
        distributed.all_gather_object(values, value, group=self.group)
        return values

    def run_on_main(self, action: Callable[[], Any]) -> Any:
        """What ACTION gives in the writing process, for all of them; a fault there ends all.

        Raises:
            PipelineError: ACTION's own, in the writing process; the others end without a word.
        """
        if self.count == 1:
            return action()
        fault, told = None, [(False, None)]
        if self.is_main:
            try:
                told = [(True, action())]
            except PipelineError as raised:
                fault = raised
        distributed.broadcast_object_list(told, src=0, group=self.group)
        if fault:
            raise fault
        succeeded, value = told[0]
        if not succeeded:
            sys.exit(1)
        return value


def is_distributed() -> bool:
    """True in a process that torchrun has started."""
    return distributed.is_torchelastic_launched()


def launch(count: int, module: str) -> None:
    """Run MODULE with this process's own arguments in COUNT processes, as torchrun does.

    Ends this process with code 1 if one of them fails; they have said why.
    """
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // count)))
    configuration = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=count,
        run_id="pokegan",
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        max_restarts=0,
    )
    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)
    try:
        elastic_launch(configuration, sys.executable)("-m", module, *sys.argv[1:])
    except ChildFailedError:
        sys.exit(1)
    except SignalException as signalled:
        sys.exit(128 + signalled.sigval)


@contextmanager
def process_group() -> Iterator[ProcessGroup]:
    """The processes that torchrun has started, or this one alone."""
    if not is_distributed() or os.environ.get("WORLD_SIZE") == "1":
        yield ProcessGroup()
        return
    backend = "gloo"
    if torch.cuda.is_available():
        local = int(os.environ["LOCAL_RANK"])
        if local >= torch.cuda.device_count():
            raise PipelineError(
                f"torchrun started process {local + 1} on this host, but there are only "
                f"{torch.cuda.device_count()} GPUs; start fewer processes."
            )
        torch.cuda.set_device(local)
        backend = "cpu:gloo,cuda:nccl"
    distributed.init_process_group(backend, timeout=TIMEOUT)
    try:
        # Decisions travel apart from the gradients, over the CPU, so that no GPU is waited for.
        group = distributed.new_group(backend="gloo", timeout=TIMEOUT)
        yield ProcessGroup(distributed.get_rank(), distributed.get_world_size(), group)
    finally:
        distributed.destroy_process_group()


def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Replace each gradient by its mean over the processes, in one message."""
    if not distributed.is_initialized():
        return
    gradients = [weights.grad for weights in parameters if weights.grad is not None]
    together = torch.cat([gradient.flatten() for gradient in gradients])
    distributed.all_reduce(together)
    together /= distributed.get_world_size()
    parts = together.split([gradient.numel() for gradient in gradients])
    for gradient, part in zip(gradients, parts, strict=True):
        gradient.copy_(part.view_as(gradient))


def all_reduce_mean(values: Tensor) -> Tensor:
    """VALUES, averaged over the processes."""
    if distributed.is_initialized():
        distributed.all_reduce(values)
        values /= distributed.get_world_size()
    return values


class AllReduceSum(torch.autograd.Function):
    """A tensor's sum over the processes; as each one's loss depends on it, so do gradients add up.

    torch.distributed.nn has the same, and warns that it will go.
    """

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        """A new tensor of the shape of VALUES, the same in all processes."""
        total = values.clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        """What all losses together change by."""
        total = gradient.clone()
        distributed.all_reduce(total)
        return total


class BatchNorm(nn.SyncBatchNorm):
    """Batch norm over the whole batch, however many processes share it.

    In one process it is plain batch norm. Between several, torch's own knows GPUs only and waits
    for them in every pass; shares are equal here, so two averages are all that is needed.
    """

    def forward(self, batch: Tensor) -> Tensor:
        """A batch (N, C, …), normalised a channel (Ioffe and Szegedy 2015)."""
        if not (self.training and distributed.is_initialized()):
            alone: Tensor = super().forward(batch)
            return alone
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        assert self.momentum is not None
        values, shape = batch.float(), [1, -1, *[1] * (batch.dim() - 2)]
        dimensions, processes = [0, *range(2, batch.dim())], distributed.get_world_size()
        mean = AllReduceSum.apply(values.mean(dimensions)) / processes
        centred = values - mean.view(shape)
        variance = AllReduceSum.apply(centred.square().mean(dimensions)) / processes
        count = values[:, 0].numel() * processes
        with torch.no_grad():
            self.num_batches_tracked.add_(1)
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * count / (count - 1), self.momentum)
        scale = self.weight * (variance + self.eps).rsqrt()
        normalised: Tensor = centred * scale.view(shape) + self.bias.view(shape)
        return normalised.to(batch.dtype)
