"""Tells MLflow what a stage does; with store.py and restoring.py the only importer of it.

The tracker is a guest: whatever goes wrong here is a warning, never a failed stage, and no
result depends on it.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from stages.executions import fingerprint
from stages.provenance import provenance
from stages.restoring import restore_runs
from stages.store import opened, this_process

if TYPE_CHECKING:
    import numpy as np

    from stages.params import Params


class Run:
    """One run in MLflow, or none if the store cannot be had; then every call does nothing."""

    def __init__(self) -> None:
        self._begun = False
        self._alive = True
        self._told = 0
        self.id: str | None = None

    def _guarded(self, action: Callable[[], None]) -> None:
        if self._alive:
            try:
                action()
            except Exception as fault:  # any fault of the guest must leave the stage alone
                self._alive = False
                lines = str(fault).strip().splitlines() or [type(fault).__name__]
                click.echo(
                    f"Warning: MLflow logs nothing more of this run ({lines[0]}); "
                    "the stage goes on and its own files hold everything.",
                    err=True,
                )

    def begin(self, stage: str, params: Mapping[str, Any], resume: str | None = None) -> None:
        """Open the run: its name says the stage and, under `dvc exp run`, the experiment.

        RESUME is the id of a run that is gone on with, if the store still has it.
        """

        def action() -> None:
            mlflow, mark = _mlflow(), fingerprint(stage, params)
            with opened(mlflow) as (client, where):
                try:
                    restore_runs(client, where, but=mark)
                except Exception as fault:  # what others did is no reason to lose this run
                    click.echo(f"Warning: MLflow lacks runs of before ({fault}).", err=True)
            if resume and self._went_on(mlflow, resume):
                return
            experiment = os.environ.get("DVC_EXP_NAME")
            run = mlflow.start_run(
                run_name=f"{stage} · {experiment}" if experiment else stage,
                tags={
                    "dvc.stage": stage,
                    "dvc.exp": experiment or "",
                    "dvc.fingerprint": mark or "",
                    **this_process(),
                    **{name: str(value) for name, value in provenance().items()},
                },
            )
            self._begun, self.id = True, run.info.run_id
            mlflow.log_params(dict(params))

        self._guarded(action)

    def _went_on(self, mlflow: Any, run_id: str) -> bool:
        """Open the run RUN_ID again; False if the store has it no more, or has it deleted."""
        try:
            mlflow.start_run(run_id=run_id)
            mlflow.set_tags(this_process())
            points = mlflow.MlflowClient().get_metric_history(run_id, "epoch")
        except mlflow.MlflowException:
            return False
        # A killed process may have told more than its last state knows; once is enough.
        self._told = max((point.step for point in points), default=0)
        self._begun, self.id = True, run_id
        return True

    def end(self, status: str) -> None:
        """Close the run with STATUS FINISHED, FAILED or KILLED; after a fault too, if it can be."""
        if self._begun:
            import mlflow

            with suppress(Exception):
                mlflow.end_run(status)

    def facts(self, facts: Mapping[str, Any]) -> None:
        """Tags: facts of the machine and of the data, which are no parameters."""

        def action() -> None:
            import mlflow

            mlflow.set_tags({name: str(value) for name, value in facts.items()})

        self._guarded(action)

    def metrics(self, values: Mapping[str, float], step: int | None = None) -> None:
        """Metrics, all of them in one call; steps that the run holds already are passed over."""
        if step is not None and step <= self._told:
            return

        def action() -> None:
            import mlflow

            mlflow.log_metrics(dict(values), step=step)

        self._guarded(action)

    def picture(self, name: str, pixels: np.ndarray, step: int | None = None) -> None:
        """A picture (H, W, 3) uint8; with STEP it joins the image panel's slider."""
        if step is not None and step <= self._told:
            return

        def action() -> None:
            import mlflow

            if step is None:
                mlflow.log_image(pixels, artifact_file=f"{name}.png")
            else:
                mlflow.log_image(pixels, key=name, step=step, synchronous=True)

        self._guarded(action)

    def file(self, path: Path) -> None:
        """A small file, kept with the run."""

        def action() -> None:
            import mlflow

            mlflow.log_artifact(str(path))

        self._guarded(action)


@contextmanager
def tracked(stage: str, params: Params, resume: str | None = None) -> Iterator[Run]:
    """A run of STAGE in MLflow, with its visible PARAMS, closed with its true status.

    RESUME is the id of the run that an interrupted stage goes on with.
    """
    run = Run()
    run.begin(stage, params.resolved(), resume)
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        yield run
    except (KeyboardInterrupt, SystemExit):
        run.end("KILLED")
        raise
    except BaseException:
        run.end("FAILED")
        raise
    else:
        run.end("FINISHED")
    finally:
        signal.signal(signal.SIGTERM, before)


def _terminate(signum: int, frame: FrameType | None) -> None:
    sys.exit(128 + signum)


def bring_up_to_date() -> list[str]:
    """Open the store, close the runs of dead processes, and restore those that it lacks.

    The names of the stages whose runs were restored.
    """
    with opened(_mlflow()) as (client, experiment):
        return restore_runs(client, experiment)


def _mlflow() -> Any:
    """MLflow, which is slow to import and talkative."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    logging.getLogger("alembic").setLevel(logging.WARNING)
    import mlflow

    logging.getLogger("mlflow").setLevel(logging.WARNING)
    return mlflow
