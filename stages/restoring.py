"""Gives back to MLflow the runs that it lacks, from the files that DVC tracks.

A stage that DVC restored from its cache, or that came with a clone, was executed somewhere else and
told another store. Its parameters stand in dvc.lock; what happened, in history.csv, run.json,
samples.npz and scores/.
"""

from __future__ import annotations

import json
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.executions import Execution, executions

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Metric

COLUMNS = 8


def restore_runs(client: MlflowClient, experiment: str, but: str | None = None) -> list[str]:
    """Make a run, tagged ``dvc.restored``, for each stage of dvc.lock that EXPERIMENT has none of.

    BUT is the fingerprint of an execution that is telling for itself. The names of the stages that
    got one.
    """
    restored = []
    for execution in executions():
        mark = execution.fingerprint
        same = f"tags.`dvc.fingerprint` = '{mark}' AND attributes.status = 'FINISHED'"
        if mark == but or client.search_runs([experiment], same, max_results=1):
            continue
        if _restore(client, experiment, execution):
            restored.append(execution.stage)
    return restored


def _restore(client: MlflowClient, experiment: str, execution: Execution) -> bool:
    """False if what EXECUTION left is not there, or is not what it left."""
    from mlflow.entities import Param

    kind = execution.stage.partition("_")[0]
    tags: dict[str, Any] = {}
    metrics: list[Metric] = []
    begun = ended = int(time.time() * 1000)
    if kind == "train":
        history, record = execution.intact("history.csv"), execution.intact("run.json")
        if not (history and record):
            return False
        tags = json.loads(record.read_text(encoding="utf-8"))
        tags.pop("params", None)
        if "date" in tags:
            ended = int(datetime.fromisoformat(tags["date"]).timestamp() * 1000)
        begun = ended - int(1000 * tags["seconds"])
        metrics = _points(history, begun)
    elif kind == "evaluate":
        encoder = execution.stage.partition("@")[2]
        curve, scores = execution.intact(f"{encoder}.csv"), execution.intact(f"{encoder}.json")
        if not (curve and scores):
            return False
        metrics = _points(curve, ended, encoder)
        told = {point.key for point in metrics}
        for key, value in json.loads(scores.read_text(encoding="utf-8")).items():
            if isinstance(value, float) and key not in told:
                metrics.append(_point(key, value, ended, 0))
            elif not isinstance(value, float):
                tags[key] = value
    run = client.create_run(
        experiment,
        start_time=begun,
        run_name=execution.stage,
        tags={
            **{key: str(value) for key, value in tags.items()},
            "dvc.stage": execution.stage,
            "dvc.fingerprint": execution.fingerprint,
            "dvc.restored": "true",
        },
    )
    params = [Param(key, str(value)) for key, value in execution.params.items()]
    client.log_batch(run.info.run_id, params=params)
    for start in range(0, len(metrics), 1000):
        client.log_batch(run.info.run_id, metrics=metrics[start : start + 1000])
    samples = execution.intact("samples.npz")
    if samples:
        _show(client, run.info.run_id, samples, metrics)
    client.set_terminated(run.info.run_id, "FINISHED", ended)
    return True


def _points(table: Path, begun: int, encoder: str | None = None) -> list[Metric]:
    """Every cell of TABLE at its step and, if it has seconds, at its time after BEGUN (ms)."""
    import pandas as pd

    from stages.scoring.names import full_name

    points = []
    for row in pd.read_csv(table).to_dict("records"):
        at = begun + int(1000 * row.get("seconds", 0))
        for column, value in row.items():
            if encoder and column in ("epoch", "step"):
                continue
            name = full_name(str(column), encoder) if encoder else str(column)
            points.append(_point(name, float(value), at, int(row["step"])))
    return points


def _point(key: str, value: float, at: int, step: int) -> Metric:
    from mlflow.entities import Metric

    return Metric(key, value, at, step)


def _show(client: MlflowClient, run_id: str, samples: Path, metrics: list[Metric]) -> None:
    """Put the grids of SAMPLES into the image panel, at the steps of their epochs."""
    import numpy as np

    from stages.pictures.grids import grid

    steps = {f"{point.value:.6g}": point.step for point in metrics if point.key == "epoch"}
    with np.load(samples, allow_pickle=False) as stored:
        for epoch, pictures in zip(stored["epochs"], stored["pictures"], strict=True):
            step = steps.get(f"{epoch:.6g}")
            if step is not None:
                pixels = grid(pictures, COLUMNS)
                client.log_image(run_id, pixels, key="samples", step=step, synchronous=True)
