"""Data-parallel training by several processes, one per GPU.

All processes sample the same random numbers and each takes its shard of every batch; batch norm
and gradients are averaged over all processes. Apart from the masks of dropout, the number of
processes therefore changes results by rounding only.
"""

import logging
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
from torch import Tensor, distributed, nn

from pokegan.core.errors import PipelineError

TIMEOUT = timedelta(minutes=10)


@dataclass(frozen=True)
class ProcessGroup:
    """The processes of a training as one of them uses them; by default, it is the only one."""

    rank: int = 0
    count: int = 1
    group: Any = None  # of torch.distributed, with the gloo backend

    @property
    def is_main(self) -> bool:
        """True for the process that writes files, logs and prints."""
        return self.rank == 0

    def shard(self, batch: Tensor) -> Tensor:
        """Return the rows of a batch (N, …) that this process computes: (N / count, …)."""
        return batch[self.rank :: self.count]

    def all_reduce_max(self, value: int) -> int:
        """Return the maximum over all processes."""
        if self.count == 1:
            return value
        maximum = torch.tensor(value)
        distributed.all_reduce(maximum, distributed.ReduceOp.MAX, group=self.group)
        return int(maximum)

    def gather(self, value: Any) -> list[Any]:
        """Return the values of all processes, ordered by rank."""
        if self.count == 1:
            return [value]
        values: list[Any] = [None] * self.count
        distributed.all_gather_object(values, value, group=self.group)
        return values

    def run_on_main(self, function: Callable[[], Any]) -> Any:
        """Call a function in the main process and return its result in every process.

        Raises:
            PipelineError: the function raised it; the other processes exit with code 1.
        """
        if self.count == 1:
            return function()
        error, message = None, [(False, None)]
        if self.is_main:
            try:
                message = [(True, function())]
            except PipelineError as raised:
                error = raised
        distributed.broadcast_object_list(message, src=0, group=self.group)
        if error:
            raise error
        succeeded, result = message[0]
        if not succeeded:
            sys.exit(1)
        return result


def is_distributed() -> bool:
    """True in a process that torchrun or `launch` has started."""
    return distributed.is_torchelastic_launched()


def launch(count: int, module: str) -> None:
    """Run a module with the arguments of this process in several processes, like torchrun.

    Exits with code 1 if a process fails, which prints its error itself.
    """
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import parse_args, run

    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // count)))
    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)
    options = ["--standalone", f"--nproc-per-node={count}"]
    try:
        run(parse_args([*options, "-m", module, *sys.argv[1:]]))
    except ChildFailedError:
        sys.exit(1)
    except SignalException as error:
        sys.exit(128 + error.sigval)


@contextmanager
def process_group() -> Iterator[ProcessGroup]:
    """Join the processes that torchrun or `launch` has started, or form a group of one."""
    if not is_distributed() or os.environ.get("WORLD_SIZE") == "1":
        yield ProcessGroup()
        return
    backend = "gloo"
    if torch.cuda.is_available():
        local_rank = int(os.environ["LOCAL_RANK"])
        if local_rank >= torch.cuda.device_count():
            raise PipelineError(
                f"torchrun started process {local_rank + 1} on this host, but there are only "
                f"{torch.cuda.device_count()} GPUs; start fewer processes."
            )
        torch.cuda.set_device(local_rank)
        backend = "cpu:gloo,cuda:nccl"
    distributed.init_process_group(backend, timeout=TIMEOUT)
    try:
        # Objects are exchanged on the CPU, so that they do not wait for the GPUs.
        group = distributed.new_group(backend="gloo", timeout=TIMEOUT)
        yield ProcessGroup(distributed.get_rank(), distributed.get_world_size(), group)
    finally:
        distributed.destroy_process_group()


def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Replace each gradient by its mean over the processes, by a single all-reduce."""
    if not distributed.is_initialized():
        return
    gradients = [each.grad for each in parameters if each.grad is not None]
    flat = all_reduce_mean(torch.cat([each.flatten() for each in gradients]))
    parts = flat.split([each.numel() for each in gradients])
    for gradient, part in zip(gradients, parts, strict=True):
        gradient.copy_(part.view_as(gradient))


def all_reduce_mean(values: Tensor) -> Tensor:
    """Replace values by their mean over the processes, in place, and return them."""
    if distributed.is_initialized():
        distributed.all_reduce(values)
        values /= distributed.get_world_size()
    return values


class AllReduceSum(torch.autograd.Function):
    """Sum over the processes, of a tensor and of its gradient.

    `torch.distributed.nn.functional.all_reduce` does the same, but is deprecated.
    """

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        """Return the sum over the processes as a new tensor."""
        total = values.clone()
        distributed.all_reduce(total)
        return total

    backward = forward


class BatchNorm(nn.SyncBatchNorm):
    """Batch normalization over the batches of all processes (Ioffe and Szegedy 2015).

    In one process it is ordinary batch norm. `nn.SyncBatchNorm` itself supports GPUs only and
    waits for them in each pass; shards of equal size need no more than two means.
    """

    def forward(self, batch: Tensor) -> Tensor:
        """Normalize each channel of a batch (N, C, …)."""
        if not (self.training and distributed.is_initialized()):
            return super().forward(batch)
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        assert self.momentum is not None
        values, shape = batch.float(), [1, -1, *[1] * (batch.dim() - 2)]
        dims, processes = [0, *range(2, batch.dim())], distributed.get_world_size()
        mean = AllReduceSum.apply(values.mean(dims)) / processes
        centered = values - mean.view(shape)
        # In two passes: E[x²] − E[x]² loses the variance of nearly constant channels in fp32.
        variance = AllReduceSum.apply(centered.square().mean(dims)) / processes
        count = values[:, 0].numel() * processes
        with torch.no_grad():
            self.num_batches_tracked.add_(1)
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * count / (count - 1), self.momentum)
        scale = self.weight * (variance + self.eps).rsqrt()
        normalized: Tensor = centered * scale.view(shape) + self.bias.view(shape)
        return normalized.to(batch.dtype)
