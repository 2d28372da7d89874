"""Gives back to MLflow the runs that it lacks, from the files that DVC tracks.

A stage that DVC restored from its cache, or that came with a clone, was executed somewhere else and
told another store. Its parameters stand in dvc.lock; what happened, in history.csv, run.json,
samples.npz and scores/.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.executions import Execution, executions
from stages.experiments import experiment_of
from stages.models import register
from stages.store import is_dead, log_data_sets

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Run

COLUMNS = 8


def restore_runs(client: MlflowClient, experiment: str, but: str | None = None) -> list[str]:
    """Make a run, tagged ``dvc.restored``, for each stage of dvc.lock that EXPERIMENT has none of.

    One that was not told to its end (a server that went away, a process that died) gets the rest.
    BUT is the fingerprint of an execution that is telling for itself. The names of the stages that
    got something.
    """
    restored = []
    for execution in executions():
        mark = execution.fingerprint
        runs = client.search_runs([experiment], f"tags.`dvc.fingerprint` = '{mark}'")
        if mark == but or any(run.info.status == "FINISHED" for run in runs):
            continue
        story = _story(execution)
        if story:
            unfinished = [r for r in runs if r.info.status == "KILLED" or is_dead(r.data.tags)]
            _tell(client, experiment, execution, story, next(iter(unfinished), None))
            restored.append(execution.stage)
    return restored


@dataclass
class Story:
    """What an execution left: facts, when it began and ended (ms), every point of its curves."""

    tags: dict[str, Any]
    begun: int
    ended: int
    metrics: list[Metric]
    scores: dict[str, Any] = field(default_factory=dict)


def _story(execution: Execution) -> Story | None:
    """None if what EXECUTION left is not there, or is not what it left."""
    kind = execution.stage.partition("_")[0]
    now = int(time.time() * 1000)
    if kind == "train":
        history, record = execution.intact("history.csv"), execution.intact("run.json")
        if not (history and record):
            return None
        tags = json.loads(record.read_text(encoding="utf-8"))
        tags.pop("params", None)
        ended = now
        if "date" in tags:
            ended = int(datetime.fromisoformat(tags["date"]).timestamp() * 1000)
        begun = ended - int(1000 * tags["seconds"])
        return Story(tags, begun, ended, _points(history, begun))
    if kind == "evaluate":
        encoder = execution.stage.partition("@")[2]
        curve, scores = execution.intact(f"{encoder}.csv"), execution.intact(f"{encoder}.json")
        if not (curve and scores):
            return None
        metrics, tags = _points(curve, now, encoder), {}
        told = {point.key for point in metrics}
        scored = json.loads(scores.read_text(encoding="utf-8"))
        for key, value in scored.items():
            if isinstance(value, float) and key not in told:
                metrics.append(_point(key, value, now, 0))
            elif not isinstance(value, float):
                tags[key] = value
        return Story(tags, now, now, metrics, scored)
    return Story({}, now, now, [])


def _tell(
    client: MlflowClient, experiment: str, execution: Execution, story: Story, run: Run | None
) -> None:
    """Tell the STORY of EXECUTION: what RUN lacks of it, or all of it in a run of its own."""
    from mlflow.entities import Param, RunTag

    name = experiment_of(execution)
    told: set[tuple[str, int]] = set()
    if run is None:
        run = client.create_run(
            experiment,
            start_time=story.begun,
            run_name=f"{execution.stage} · {name}" if name else execution.stage,
            tags={
                "dvc.stage": execution.stage,
                "dvc.exp": name or "",
                "dvc.fingerprint": execution.fingerprint,
            },
        )
        params = [Param(key, str(value)) for key, value in execution.params.items()]
        client.log_batch(run.info.run_id, params=params)
        log_data_sets(client, run.info.run_id, execution)
    else:
        for key in run.data.metrics:
            history = client.get_metric_history(run.info.run_id, key)
            told |= {(key, point.step) for point in history}
    tags = {**story.tags, "dvc.restored": "in part" if told else "true"}
    client.log_batch(run.info.run_id, tags=[RunTag(key, str(v)) for key, v in tags.items()])
    if story.scores:
        _register(client, run.info.run_id, execution, story.scores)
    samples = execution.intact("samples.npz")
    if samples:
        seen = max((step for key, step in told if key == "epoch"), default=-1)
        _show(client, run.info.run_id, samples, story.metrics, seen)
    untold = [point for point in story.metrics if (point.key, point.step) not in told]
    for start in range(0, len(untold), 1000):
        client.log_batch(run.info.run_id, metrics=untold[start : start + 1000])
    client.set_terminated(run.info.run_id, "FINISHED", story.ended)


def _register(
    client: MlflowClient, run_id: str, execution: Execution, scores: dict[str, Any]
) -> None:
    """Have the generator that got SCORES in the registry, if it lies there."""
    import mlflow

    stage, _, encoder = execution.stage.partition("@")
    network = stage.removeprefix("evaluate_")
    folder = execution.intact_folder(f"models/{network}")
    if folder:
        with mlflow.start_run(run_id=run_id):
            reals = next(iter(execution.data_sets.values()), "")
            register(client, network, folder, encoder, scores, reals)


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


def _show(
    client: MlflowClient, run_id: str, samples: Path, metrics: list[Metric], seen: int
) -> None:
    """Put the grids of SAMPLES into the image panel, at the steps of their epochs after SEEN."""
    import numpy as np

    from stages.pictures.grids import grid

    steps = {f"{point.value:.6g}": point.step for point in metrics if point.key == "epoch"}
    with np.load(samples, allow_pickle=False) as stored:
        for epoch, pictures in zip(stored["epochs"], stored["pictures"], strict=True):
            step = steps.get(f"{epoch:.6g}")
            if step is not None and step > seen:
                pixels = grid(pictures, COLUMNS)
                client.log_image(run_id, pixels, key="samples", step=step, synchronous=True)
