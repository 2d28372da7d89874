"""Log a stage to MLflow.

Live logging is best effort: after an error that may pass, such as an unreachable server, the stage
prints one warning and continues, and no call is made for a while. `sync` completes the run from the
files that DVC tracks: when the stage ends, when the next stage starts, or by `pokegan sync`.
"""

from __future__ import annotations

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
from pokegan.tracking.lockfile import StageRun, upcoming
from pokegan.tracking.parent import Pipeline
from pokegan.tracking.registry import register
from pokegan.tracking.results import read_results
from pokegan.tracking.store import (
    connect,
    first_line,
    is_permanent_error,
    log_batch,
    this_process,
)

if TYPE_CHECKING:
    import numpy as np
    from mlflow import MlflowClient
    from mlflow.entities import Run as MlflowRun

    from pokegan.core.params import Params

LAST_STAGE = "report"
AWAY = "MLflow cannot be reached"
Action = Callable[["MlflowClient", str], None]
MIN_PAUSE, MAX_PAUSE = 60.0, 960.0  # seconds without a call after an error; doubles each time


@contextmanager
def track_run(stage: str, params: Params, resume: str | None = None) -> Iterator[Run]:
    """Log a stage as a run that ends as FINISHED, FAILED, or KILLED by a signal.

    Args:
        stage: name in DVC, such as "train@dcgan819".
        params: what the stage reads of params.yaml.
        resume: id of the run that an interrupted stage continues.
    """
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
        # Python would collect MLflow's objects at its end, which takes 0.7 s. Triton, which some
        # encoders import, would report them as a leak.
        if "triton" not in sys.modules:
            gc.freeze()


def _terminate(signum: int, frame: FrameType | None) -> None:
    sys.exit(128 + signum)


class Run:
    """One run in MLflow. No method raises, or waits longer than a request may take."""

    def __init__(self, execution: StageRun, resume: str | None = None) -> None:
        self.id = resume
        self._execution = execution
        self._started = int(time.time() * 1000)
        self._client: MlflowClient | None = None  # set when the run is open
        self._experiment = self._parent = ""
        self._last_step = 0  # that a resumed run has logged
        self._is_complete = resume is None
        self._pause, self._retry_at = MIN_PAUSE, 0.0
        self._warnings: set[str] = set()
        self._monitor: Any = None  # of CPU, GPU and memory

    def start(self) -> None:
        """Open the run, and complete the runs of earlier stages."""

        def sync_others(client: MlflowClient, run_id: str) -> None:
            with suppress(Timeout):
                sync.complete_runs(client, self._experiment, self._execution.fingerprint)

        self._call(sync_others)

    def set_tags(self, tags: Mapping[str, Any]) -> None:
        """Log facts that are no parameters, such as the device."""
        self._call(lambda client, run_id: log_batch(client, run_id, tags=tags))

    def log_metrics(self, values: Mapping[str, float], step: int | None = None) -> None:
        """Log metrics in one request; a resumed run skips steps that it has logged."""
        now = int(time.time() * 1000)

        def log(client: MlflowClient, run_id: str) -> None:
            from mlflow.entities import Metric

            points = [Metric(key, value, now, step or 0) for key, value in values.items()]
            client.log_batch(run_id, metrics=points)

        self._call(log, step)

    def log_image(self, key: str, pixels: np.ndarray, step: int | None = None) -> None:
        """Log an image, uint8 (H, W, 3); with a step it joins the series of its key."""

        def log(client: MlflowClient, run_id: str) -> None:
            if step is None:
                client.log_image(run_id, pixels, f"{key}.png")
            else:
                client.log_image(run_id, pixels, key=key, step=step, synchronous=True)

        self._call(log, step)

    def log_artifact(self, path: Path) -> None:
        """Log a small file."""
        self._call(lambda client, run_id: client.log_artifact(run_id, str(path)))

    def log_model(
        self, network: str, folder: Path, encoder: str, scores: Mapping[str, Any]
    ) -> None:
        """Register the generator in a folder together with its scores by an encoder."""
        reference = next(iter(self._execution.data_sets.values()), "")
        self._call(
            lambda client, run_id: register(
                client, run_id, network, folder, encoder, scores, reference
            )
        )

    def end(self, status: str) -> None:
        """Close the run and its parent; a FINISHED run that lacks something is completed first."""
        results = None

        def close(client: MlflowClient, run_id: str) -> None:
            nonlocal results
            results = read_results(self._execution) if status == "FINISHED" else None
            if results and not self._is_complete:
                child.complete_run(client, client.get_run(run_id), self._execution, results)
            else:
                client.set_terminated(run_id, status)

        def log_results(client: MlflowClient, run_id: str) -> None:
            if results and self._execution.network:
                parent.log_results(client, self._parent, [(self._execution, results)])
                child.log_scores_of(client, self._experiment, self._execution, results)

        def sync_all(client: MlflowClient, run_id: str) -> None:
            if status == "FINISHED" and self._execution.stage == LAST_STAGE:
                with suppress(Timeout):
                    sync.sync_runs(client, self._experiment, self._execution.fingerprint, wait=5)

        self._retry_at = 0.0
        self._call(close)
        self._call(log_results)
        self._call(sync_all)
        self._call(lambda client, run_id: parent.close_parent(client, self._parent, status))
        if self._monitor and AWAY not in self._warnings:
            self._monitor.finish()

    def _call(self, action: Action, step: int | None = None) -> None:
        """Open the run if it is not open, and perform an action.

        Nothing happens in the pause after an error, or if a resumed run has logged the step.
        """
        if time.monotonic() < self._retry_at:
            return
        try:
            if self._client is None:
                self._client = self._open()
            if step is None or step > self._last_step:
                action(self._client, str(self.id))
            if AWAY in self._warnings:  # it is back
                self._warnings.clear()
                self._pause = MIN_PAUSE
                self._start_monitor()
        except Exception as error:
            self._is_complete = False
            if is_permanent_error(error):
                self._warn("A part of a run could not be logged to MLflow", error)
                return
            self._retry_at = time.monotonic() + self._pause
            self._pause = min(2 * self._pause, MAX_PAUSE)
            self._warn(AWAY, error)

    def _warn(self, problem: str, error: Exception) -> None:
        if problem not in self._warnings:
            self._warnings.add(problem)
            hint = "The stage continues; `pokegan sync` adds later what is missing."
            click.echo(f"Warning: {problem} ({first_line(error)}). {hint}", err=True)

    def _open(self) -> MlflowClient:
        client, self._experiment = connect()
        tags, process = _tags(), this_process()
        pipeline = Pipeline(os.environ.get("DVC_EXP_NAME", ""))
        self._parent = parent.open_parent(client, self._experiment, pipeline, tags)
        mine = f"attributes.run_id = '{self.id}'"
        if self.id is None:  # the request that creates a run may succeed without an answer
            same = f"tags.`dvc.fingerprint` = '{self._execution.fingerprint}'"
            mine = f"attributes.status = 'RUNNING' and {same}"
        runs = client.search_runs([self._experiment], mine)
        found = [run for run in runs if self.id or process.items() <= run.data.tags.items()]
        run = found[0] if found else self._create(client, tags)
        self.id = run.info.run_id
        if found:
            client.update_run(self.id, "RUNNING")
            log_batch(client, self.id, tags={**process, parent.PARENT: self._parent})
            epochs = client.get_metric_history(self.id, "epoch")
            self._last_step = max((point.step for point in epochs), default=0)
        child.log_inputs(client, run, self._execution)
        self._start_monitor()
        return client

    def _create(self, client: MlflowClient, tags: Mapping[str, str]) -> MlflowRun:
        tags = {**tags, "dvc.exp": os.environ.get("DVC_EXP_NAME", "")}
        return child.create_run(
            client, self._experiment, self._execution, self._parent, self._started, tags
        )

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
