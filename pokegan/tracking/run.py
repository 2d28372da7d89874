"""Tells MLflow what a stage does.

The tracker is a guest: no result depends on it, no stage fails with it, or waits for it but at its
begin and end, half a minute at most. What it misses while it is away is told when it is back, or
restored from DVC's files (restoring.py).
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

from pokegan.core.provenance import provenance
from pokegan.core.signals import terminate_with_dvc
from pokegan.tracking.lockfile import StageRun, upcoming
from pokegan.tracking.registry import register
from pokegan.tracking.retry_queue import Teller
from pokegan.tracking.store import (
    close_dead_runs,
    first_line,
    import_mlflow,
    is_permanent_error,
    log_data_sets,
    opened,
    this_process,
)
from pokegan.tracking.sync import sync_runs

if TYPE_CHECKING:
    import numpy as np
    from mlflow import MlflowClient

    from pokegan.core.params import Params

ATTEMPTS = 3  # to give what is no point, while the store answers


class Run:
    """One run in MLflow. What is told goes out in order, by a thread; the stage never waits."""

    def __init__(self) -> None:
        self._id: str | None = None
        self._resumes: str | None = None
        self._told = 0
        self._client: Any = None
        self._data_sets: Mapping[str, str] = {}
        self._said: set[str] = set()
        self.steps: set[int] = set()  # of the metrics that were told, or are about to be
        self._teller: Teller | None = None

    @property
    def id(self) -> str | None:
        """In MLflow; of the run that is gone on with, also while MLflow is away."""
        return self._id or self._resumes

    def begin(self, stage: str, params: Mapping[str, Any], resume: str | None = None) -> None:
        """Open the run: its name says the stage and, under `dvc exp run`, the experiment.

        RESUME is the id of a run that is gone on with, if the store still has it.
        """
        try:
            execution = upcoming(stage, params)
        except Exception:  # a broken dvc.lock is DVC's matter
            execution = StageRun(stage, params, {}, {})
        self._data_sets, self._resumes = execution.data_sets, resume

        def action() -> None:
            mlflow = import_mlflow()
            with opened(mlflow) as (self._client, experiment):
                _bring_up_to_date(self._client, experiment, execution.fingerprint)
            if mlflow.active_run() is None and not (resume and self._went_on(mlflow, resume)):
                self._start(mlflow, execution)
            tags = _entities("RunTag", this_process())
            self._client.log_batch(self._id, params=_entities("Param", params), tags=tags)
            log_data_sets(self._client, str(self._id), execution)

        self._teller = Teller(is_permanent_error, self._say)
        self._teller.tell(action)
        self._teller.wait_for_the_first()

    def _start(self, mlflow: Any, execution: StageRun) -> None:
        experiment = os.environ.get("DVC_EXP_NAME")
        tags = {
            "dvc.stage": execution.stage,
            "dvc.exp": experiment or "",
            "dvc.baseline": os.environ.get("DVC_EXP_BASELINE_REV", ""),
            "dvc.fingerprint": execution.fingerprint,
            **{name: str(value) for name, value in provenance().items()},
        }
        if "POKEGAN_PARENT_RUN" in os.environ:  # a study's trial stands below it in the UI
            tags["mlflow.parentRunId"] = os.environ["POKEGAN_PARENT_RUN"]
        name = f"{execution.stage} · {experiment}" if experiment else execution.stage
        self._id = mlflow.start_run(run_name=name, tags=tags, log_system_metrics=True).info.run_id

    def _went_on(self, mlflow: Any, run_id: str) -> bool:
        """Open the run RUN_ID again; False if the store has it no more, or has it deleted."""
        try:
            if self._client.get_run(run_id).info.lifecycle_stage == "deleted":
                return False
        except mlflow.MlflowException as fault:
            if fault.error_code == "RESOURCE_DOES_NOT_EXIST":
                return False
            raise
        points = self._client.get_metric_history(run_id, "epoch")
        mlflow.start_run(run_id=run_id, log_system_metrics=True)
        # A killed process may have told more than its last state knows; once is enough.
        self._told = max((point.step for point in points), default=0)
        self._id = run_id
        return True

    def _tell(self, action: Callable[[], None], step: int | None = None) -> None:
        def unless_told() -> None:
            if self._id and (step is None or step > self._told):
                action()

        if self._teller:
            self._teller.tell(unless_told)

    def _give(self, action: Callable[[], None], step: int | None = None) -> None:
        """Tell by ACTION what goes elsewhere than the points: that place may fail for itself."""
        attempts = 0

        def unless_in_vain() -> None:
            nonlocal attempts
            attempts += 1
            try:
                action()
            except Exception as fault:
                enough = attempts >= ATTEMPTS or (self._teller and self._teller.is_closing)
                if not enough or is_permanent_error(fault):
                    raise
                self._client.get_run(self._id)  # or else it is the way there, as for the points
                raise ValueError(first_line(fault)) from fault

        self._tell(unless_in_vain, step)

    def set_tags(self, facts: Mapping[str, Any]) -> None:
        """Tags: facts of the machine and of the data, which are no parameters."""
        tags = dict(facts)
        self._tell(lambda: self._client.log_batch(self._id, tags=_entities("RunTag", tags)))

    def log_metrics(self, values: Mapping[str, float], step: int | None = None) -> None:
        """Metrics, all of them in one call; steps that the run holds already are passed over."""
        now = int(time.time() * 1000)
        self.steps.add(step or 0)

        def action() -> None:
            from mlflow.entities import Metric

            points = [Metric(key, value, now, step or 0) for key, value in values.items()]
            self._client.log_batch(self._id, metrics=points)

        self._tell(action, step)

    def log_image(self, name: str, pixels: np.ndarray, step: int | None = None) -> None:
        """A picture (H, W, 3) uint8; with STEP it joins the image panel's slider.

        Told before the metrics of its step, for a run that has those is thought to have it.
        """
        now = int(time.time() * 1000)
        where = (
            {"artifact_file": f"{name}.png"}
            if step is None
            else {"key": name, "step": step, "timestamp": now, "synchronous": True}
        )
        self._give(lambda: self._client.log_image(self._id, pixels, **where), step)

    def log_artifact(self, path: Path) -> None:
        """A small file, kept with the run."""
        self._give(lambda: self._client.log_artifact(self._id, str(path)))

    def log_model(
        self, network: str, folder: Path, encoder: str, scores: Mapping[str, Any]
    ) -> None:
        """Have the generator of NETWORK in FOLDER in the registry, with its SCORES by ENCODER."""

        def action() -> None:
            reals = next(iter(self._data_sets.values()), "")
            register(self._client, str(self._id), network, folder, encoder, scores, reals)

        self._give(action)

    def _say(self, fault: Exception, hopeless: bool) -> None:
        """Say of FAULT once a run what it means."""
        reason = first_line(fault)
        sentence = f"Warning: MLflow cannot be reached ({reason}); the stage goes on, and what "
        sentence += "MLflow misses is told when it is back."
        if hopeless:
            sentence = f"Warning: MLflow does not take a part of this run ({reason})."
        if sentence not in self._said:
            self._said.add(sentence)
            click.echo(sentence, err=True)

    def end(self, status: str) -> None:
        """Close the run with STATUS FINISHED, FAILED or KILLED; RUNNING leaves it to others."""

        def action() -> None:
            self._client.set_terminated(self._id, status)
            import mlflow

            with suppress(Exception):  # ends the measuring of the machine as well
                mlflow.end_run(status)

        self._tell(action)
        if self._teller and not (self._teller.close() and self._id):
            how = (
                "`make sync` tells it when it is back."
                if status == "FINISHED"
                else ("What did not come to its end cannot be told later.")
            )
            click.echo(f"Warning: MLflow misses a part of this run. {how}", err=True)


def _entities(kind: str, values: Mapping[str, Any]) -> list[Any]:
    from mlflow import entities

    return [getattr(entities, kind)(key, str(value)) for key, value in values.items()]


@contextmanager
def track_run(stage: str, params: Params, resume: str | None = None) -> Iterator[Run]:
    """A run of STAGE in MLflow, with its visible PARAMS, closed with its true status.

    RESUME is the id of the run that an interrupted stage goes on with.
    """
    run = Run()
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        # To the last word: a training removes its state after it, and only DVC keeps its outputs.
        with terminate_with_dvc():
            run.begin(stage, params.flat(), resume)
            with closed_with_its_status(run):
                yield run
    finally:
        signal.signal(signal.SIGTERM, before)
        # Python would look for garbage in all that MLflow brought before it ends: half a second.
        # Triton, which some encoders bring, would take that for a leak, and say so at length.
        if "triton" not in sys.modules:
            gc.freeze()


@contextmanager
def closed_with_its_status(run: Run, unless: Callable[[], bool] = lambda: False) -> Iterator[None]:
    """At the end close RUN as FINISHED, KILLED (a signal) or FAILED, UNLESS others use it still."""
    try:
        yield
    except (KeyboardInterrupt, SystemExit):
        run.end("RUNNING" if unless() else "KILLED")
        raise
    except BaseException:
        run.end("RUNNING" if unless() else "FAILED")
        raise
    run.end("RUNNING" if unless() else "FINISHED")


def _terminate(signum: int, frame: FrameType | None) -> None:
    sys.exit(128 + signum)


def bring_up_to_date() -> list[str]:
    """Open the store, restore the runs that it lacks, and close those of dead processes.

    The names of the stages whose runs were restored.
    """
    with opened(import_mlflow()) as (client, experiment):
        restored = sync_runs(client, experiment)
        close_dead_runs(client, experiment)
    return restored


def _bring_up_to_date(client: MlflowClient, experiment: str, but: str) -> None:
    try:
        sync_runs(client, experiment, but)
        close_dead_runs(client, experiment)
    except Exception as fault:  # what others did is no reason to lose this run
        click.echo(f"Warning: MLflow lacks runs of before ({first_line(fault)}).", err=True)
