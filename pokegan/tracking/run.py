"""Log a stage to MLflow.

Live logging is best effort: after an error that may pass, such as an unreachable server, the stage
prints one warning and continues, and no call is made for a while. `sync` completes the run from the
files that DVC tracks: when the stage ends, when the next stage starts, or by `pokegan sync`.
"""

from __future__ import annotations

import atexit
import gc
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import click
from filelock import Timeout

from pokegan.core.provenance import provenance
from pokegan.core.signals import terminate_with_dvc
from pokegan.tracking import child, parent, sync
from pokegan.tracking.lockfile import StageRun, finished, upcoming
from pokegan.tracking.parent import Pipeline
from pokegan.tracking.registry import register
from pokegan.tracking.results import read_results
from pokegan.tracking.store import Store, connect, first_line, is_permanent_error, this_process

if TYPE_CHECKING:
    import numpy as np
    from mlflow.entities import Run as MlflowRun

    from pokegan.core.params import Params

LAST_STAGE = "report"
AWAY = "MLflow cannot be reached"
Action = Callable[[Store, str], None]
PAUSE = 300.0  # seconds without a call after an error
STDERR = 2  # file descriptor


@contextmanager
def track_run(stage: str, params: Params, resume: str | None = None) -> Iterator[Run]:
    """Log a stage of DVC, or resume the run with an id; it ends as FINISHED, FAILED or KILLED."""
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        with terminate_with_dvc():
            run = Run(upcoming(stage, params.flat()), resume)
            run.start()
            try:
                yield run
            except (KeyboardInterrupt, SystemExit):
                run.end("KILLED")
                raise
            except BaseException:
                run.end("FAILED")
                raise
            run.end("FINISHED")
    finally:
        signal.signal(signal.SIGTERM, before)
        if "DVC_STAGE" in os.environ:
            _exit_fast()


def _exit_fast() -> None:
    """Keep all objects when Python ends; it would collect those of MLflow and torch in 1.5 s."""
    gc.freeze()
    if "triton" in sys.modules:  # it would report its objects as leaks
        atexit.register(os.dup2, os.open(os.devnull, os.O_WRONLY), STDERR)


def _terminate(signum: int, frame: FrameType | None) -> None:
    sys.exit(128 + signum)


class Run:
    """One run in MLflow. No method raises, or waits longer than a request may take."""

    def __init__(self, execution: StageRun, resume: str | None = None) -> None:
        self.id = resume
        self._execution = execution
        self._started = int(time.time() * 1000)
        self._store: Store | None = None  # set when the run is open
        self._parent = ""
        self._last_step = 0  # that a resumed run has logged
        self._is_complete = resume is None
        self._retry_at = 0.0
        self._warnings: set[str] = set()
        self._monitor: Any = None  # of CPU, GPU and memory

    def start(self) -> None:
        """Open the run, and complete the runs of earlier stages."""
        self._call(lambda store, _: self._sync(store, create=False))

    def set_tags(self, tags: Mapping[str, Any]) -> None:
        """Log facts that are no parameters, such as the device."""
        self._call(lambda store, run_id: store.log(run_id, tags=tags))

    def log_metrics(self, values: Mapping[str, float], step: int | None = None) -> None:
        """Log metrics in one request; a resumed run skips steps that it has logged."""
        self._call(lambda store, run_id: store.log_values(run_id, values, step or 0), step)

    def log_image(self, key: str, pixels: np.ndarray, step: int | None = None) -> None:
        """Log an image, uint8 (H, W, 3); with a step it joins the series of its key."""

        def log(store: Store, run_id: str) -> None:
            if step is None:
                store.client.log_image(run_id, pixels, f"{key}.png")
            else:
                store.client.log_image(run_id, pixels, key=key, step=step, synchronous=True)

        self._call(log, step)

    def log_artifact(self, path: Path) -> None:
        """Log a small file."""
        self._call(lambda store, run_id: store.client.log_artifact(run_id, str(path)))

    def log_model(self, network: str, folder: Path, scores: Mapping[str, Any]) -> None:
        """Register the generator in a folder together with its scores."""
        self._call(lambda store, run_id: register(store, run_id, network, folder, scores))

    def end(self, status: str) -> None:
        """Close the run and its parent; a FINISHED run that lacks something is completed first."""
        execution, is_finished = self._execution, status == "FINISHED"

        def close(store: Store, run_id: str) -> None:
            results = read_results(execution) if is_finished else None
            if results and not self._is_complete:
                child.complete_run(store, store.client.get_run(run_id), execution, results)
            else:
                store.client.set_terminated(run_id, status)
            if results and execution.network:
                parent.log_results(store, self._parent, [(execution, results)])
                if results.scores:
                    child.log_scores(store, finished(), execution, results)

        self._retry_at = 0.0
        self._call(close)
        if is_finished and execution.stage == LAST_STAGE:
            self._call(lambda store, _: self._sync(store, wait=5))
        self._call(lambda store, _: parent.close_parent(store, self._parent, status))
        if self._monitor and AWAY not in self._warnings:
            self._monitor.finish()

    def _sync(self, store: Store, wait: float = 0, create: bool = True) -> None:
        with suppress(Timeout):  # another process does it
            sync.sync_runs(store, self._execution.fingerprint, wait, create)

    def _call(self, action: Action, step: int | None = None) -> None:
        """Open the run if it is not open, and perform an action.

        Nothing happens in the pause after an error, or if a resumed run has logged the step.
        """
        if time.monotonic() < self._retry_at:
            return
        try:
            if self._store is None:
                self._store = self._open()
            if step is None or step > self._last_step:
                action(self._store, str(self.id))
            if AWAY in self._warnings:  # it is back
                self._warnings.clear()
                self._start_monitor()
        except Exception as error:
            self._is_complete = False
            if is_permanent_error(error):
                self._warn("A part of a run could not be logged to MLflow", error)
                return
            self._retry_at = time.monotonic() + PAUSE
            self._warn(AWAY, error)

    def _warn(self, problem: str, error: Exception) -> None:
        if problem not in self._warnings:
            self._warnings.add(problem)
            hint = "The stage continues; `pokegan sync` adds later what is missing."
            click.echo(f"Warning: {problem} ({first_line(error)}). {hint}", err=True)

    def _open(self) -> Store:
        store, tags, experiment = connect(), _tags(), os.environ.get("DVC_EXP_NAME", "")
        client = store.client
        self._parent = parent.open_parent(store, Pipeline(experiment), tags)
        found = filter(self._is_mine, store.find(child.FINGERPRINT, self._execution.fingerprint))
        if run := next(found, None):
            self.id = run.info.run_id
            client.update_run(self.id, "RUNNING")
            store.log(self.id, tags={**this_process(), child.PARENT: self._parent})
            epochs = client.get_metric_history(self.id, "epoch")
            self._last_step = max((point.step for point in epochs), default=0)
        else:
            tags["dvc.exp"] = experiment
            run = child.create_run(store, self._execution, self._parent, self._started, tags)
            self.id = run.info.run_id
        child.log_inputs(store, run, self._execution)
        self._start_monitor()
        return store

    def _is_mine(self, run: MlflowRun) -> bool:
        """Return whether a run is the one to resume, or was created without an answer."""
        if self.id:
            return bool(run.info.run_id == self.id)
        is_open = run.info.status == "RUNNING"
        return bool(is_open and this_process().items() <= run.data.tags.items())

    def _start_monitor(self) -> None:
        from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

        if self._monitor:
            self._monitor.finish()
        self._monitor = SystemMetricsMonitor(self.id, resume_logging=True)  # type: ignore[no-untyped-call]
        self._monitor.start()


def _tags() -> dict[str, str]:
    """Return tags with the origin of a run."""
    from mlflow.tracking.context.registry import resolve_tags

    tags = {name: str(value) for name, value in provenance().items()}
    tags["dvc.baseline"] = os.environ.get("DVC_EXP_BASELINE_REV", "")
    return dict(resolve_tags(tags))
