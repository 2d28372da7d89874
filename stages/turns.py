"""One GPU, one training: those of a repository take turns, and say so."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import click
from filelock import FileLock, Timeout

from stages.interruption import ends_with_dvc
from stages.provenance import root

A_LOOK = 1.0  # second between two looks at whether a GPU is free


@contextmanager
def gpus_to_itself(count: int) -> Iterator[None]:
    """Within, COUNT of the visible GPUs are this process's; one alone becomes torch's current one.

    Two workers of DVC's queue would else train on the same GPU, each at half the speed. One GPU may
    be any that is free; several are the first ones, as their processes will take them. Waits where
    none is free. Without a GPU, or with POKEGAN_SHARE_GPU=1, nothing happens.
    """
    import torch

    names = visible_gpus()
    if not names or os.environ.get("POKEGAN_SHARE_GPU") == "1":
        yield
        return
    with ExitStack() as held:
        with ends_with_dvc():
            if count == 1:
                torch.cuda.set_device(_first_free(names, held))
            # In the same order whatever they are called here: nobody waits for one who waits.
            for name in sorted(names[:count]) if count > 1 else []:
                _first_free([name], held)
        yield


def visible_gpus() -> list[str]:
    """What tells each GPU that this process sees from all others, whatever its number here."""
    import torch

    if not torch.cuda.is_available():
        return []
    count = torch.cuda.device_count()
    return [str(torch.cuda.get_device_properties(index).uuid) for index in range(count)]


def _first_free(names: list[str], held: ExitStack) -> int:
    """The place in NAMES of a GPU that is this process's until HELD is left."""
    folder = root() / ".work"
    folder.mkdir(exist_ok=True)
    said = False
    while True:
        for index, name in enumerate(names):
            lock = FileLock(folder / f"gpu-{name}.lock")
            try:
                held.enter_context(lock.acquire(timeout=0))
            except Timeout:
                continue
            return index
        if not said:
            what = "The GPU is" if len(names) == 1 else "All GPUs are"
            click.echo(
                f"{what} held by other trainings of this repository: waiting. (More at once on one "
                "GPU: POKEGAN_SHARE_GPU=1.)",
                err=True,
            )
        said = True
        time.sleep(A_LOOK)
