"""Train the three networks at the same time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click

from stages.errors import PipelineError
from stages.params import NETWORKS
from stages.turns import visible_gpus

BEFORE = ("augment", "prepare_pokemon14000")
CORES = 4  # a training gains little from more
LOGS = Path(".work/parallel")


@click.command()
@click.option(
    "--at-once",
    type=click.IntRange(1, len(NETWORKS)),
    help=f"How many.  [default: one a GPU; without a GPU one for {CORES} cores]",
)
def parallel(at_once: int | None) -> None:
    """Run the pipeline with its three trainings side by side where there is room.

    What they need comes first, scores and report after them, all by `dvc repro`. What each says
    goes to .work/parallel/. Without a GPU they share the cores; since weights depend on the number
    of threads, they differ in their last digits from those of a plain `dvc repro`.
    """
    gpus, cores = len(visible_gpus()), usable_cores()
    if at_once is None:
        at_once = min(gpus or max(1, cores // CORES), len(NETWORKS))
    tell(gpus, cores, at_once)
    share = {} if gpus or at_once == 1 else {"OMP_NUM_THREADS": str(max(1, cores // at_once))}
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    repro(*BEFORE)
    LOGS.mkdir(parents=True, exist_ok=True)
    trainings = Trainings({**share, **os.environ})
    with ThreadPoolExecutor(at_once) as pool:
        try:
            outcomes = list(pool.map(trainings.train, NETWORKS))
        except BaseException:
            trainings.stop()
            raise
    failed = [outcome for outcome in outcomes if outcome]
    if failed:
        raise PipelineError(" ".join(failed))
    repro()


def tell(gpus: int, cores: int, at_once: int) -> None:
    """Say how many trainings run at once, and why."""
    where = f"{gpus} GPU{'s' * (gpus > 1)}" if gpus else f"no GPU, {cores} cores"
    turns = "one after another" if at_once == 1 else f"{at_once} at once"
    more = ""
    if at_once > max(gpus, 1) and gpus:
        more = " Those that find no GPU free wait, unless POKEGAN_SHARE_GPU=1."
    elif at_once < len(NETWORKS):
        more = " --at-once says otherwise."
    click.echo(f"{where}: the networks train {turns}.{more}", err=True)


def usable_cores() -> int:
    """How many this process may use, where the system tells; else all."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def repro(*targets: str) -> None:
    """`dvc repro` of TARGETS; its failure is ours."""
    command = subprocess.run(["dvc", "repro", *targets], check=False)
    if command.returncode:
        sys.exit(command.returncode)


class Trainings:
    """The trainings under way."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._environment = environment
        self._processes: list[subprocess.Popen[bytes]] = []
        self._stopped = False
        self._lock = threading.Lock()

    def train(self, network: str) -> str | None:
        """Train NETWORK; a sentence if that failed."""
        log, began = LOGS / f"train_{network}.log", time.monotonic()
        # Single stages only: several `dvc repro` would else want the same stages before them.
        command = ["dvc", "--wait-for-lock", "repro", "--single-item", f"train_{network}"]
        with log.open("wb") as output, self._lock:
            if self._stopped:
                return None
            process = subprocess.Popen(
                command, stdout=output, stderr=subprocess.STDOUT, env=self._environment
            )
            self._processes.append(process)
        click.echo(f"train_{network}: begun, see {log}", err=True)
        code = process.wait()
        minutes = (time.monotonic() - began) / 60
        if code == 0:
            click.echo(f"train_{network}: done after {minutes:.1f} minutes", err=True)
            return None
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
        why = next((line for line in lines if line.startswith("Error: ")), f"exit code {code}.")
        return f"train_{network} failed, see {log}: {why.removeprefix('Error: ')}"

    def stop(self) -> None:
        """Have all of them save their state and end."""
        with self._lock:
            self._stopped = True
            for process in self._processes:
                process.terminate()


if __name__ == "__main__":
    parallel()
