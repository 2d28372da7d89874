"""Gives back to MLflow the runs that it lacks, from the files that DVC tracks.

A stage that DVC restored from its cache, or that came with a clone, was executed somewhere else and
told another store. Its parameters stand in dvc.lock; what happened, in history.csv, run.json,
samples.npz and scores/.
"""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pokegan.tracking.experiments import experiment_of
from pokegan.tracking.lockfile import StageRun, executions
from pokegan.tracking.registry import register
from pokegan.tracking.store import is_dead, is_permanent_error, log_data_sets, this_process

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Run

COLUMNS = 8
RESTORED, LACKS = "dvc.restored", "dvc.lacks"
UNDER_WAY = "under way"
# As MLflow calls an image of a step: samples+step+95+timestamp+….png
IMAGE = re.compile(r"samples\Wstep\W(\d+)\W.*\.png")


def sync_runs(client: MlflowClient, experiment: str, but: str | None = None) -> list[str]:
    """Make a run, tagged ``dvc.restored``, for each stage of dvc.lock that EXPERIMENT has none of.

    One that was not told to its end (a server that went away, a process that died) gets the rest,
    as does one whose samples or model were not there before. BUT is the fingerprint of an execution
    that is telling for itself. The names of the stages that got something.

    Raises:
        Exception: the first fault; what the others lack is restored all the same.
    """
    restored, faults = [], []
    for execution in executions():
        if execution.fingerprint != but:
            try:
                if _restore(client, experiment, execution):
                    restored.append(execution.stage)
            except Exception as fault:
                if not is_permanent_error(fault):
                    raise
                faults.append(fault)
    if faults:
        raise faults[0]
    return restored


def _restore(client: MlflowClient, experiment: str, execution: StageRun) -> bool:
    """False if there is nothing to tell of EXECUTION."""
    mark = f"tags.`dvc.fingerprint` = '{execution.fingerprint}'"
    lacking: Run | None = None
    for run in client.search_runs([experiment], mark):
        tags, status = run.data.tags, run.info.status
        if status == "FINISHED" and not (tags.get(LACKS) and _kept(execution)):
            return False
        own = tags.get(RESTORED) == UNDER_WAY and this_process().items() <= tags.items()
        if status == "RUNNING" and not (own or is_dead(tags)):
            return False
        if status != "FAILED":
            lacking = run
    story = _story(execution)
    if story:
        _tell(client, experiment, execution, story, lacking)
    return story is not None


def _kept(execution: StageRun) -> Path | None:
    """What DVC and not git keeps of EXECUTION, if it is there: samples, or the model it scored."""
    kind, _, network = execution.stage.partition("@")[0].partition("_")
    if kind == "evaluate":
        return execution.intact_folder(f"models/{network}")
    return execution.intact("samples.npz") if kind == "train" else None


@dataclass
class Story:
    """What an execution left: facts, when it began and ended (ms), every point of its curves."""

    tags: dict[str, Any]
    begun: int
    ended: int
    metrics: list[Metric]
    scores: dict[str, Any] = field(default_factory=dict)


def _story(execution: StageRun) -> Story | None:
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
    figures: dict[str, Any] = {}
    for path in execution.outputs:
        kept = execution.intact(path.rpartition("/")[2]) if path.endswith(".json") else None
        figures |= json.loads(kept.read_text(encoding="utf-8")) if kept else {}
    floats = {key: value for key, value in figures.items() if isinstance(value, float)}
    metrics = [_point(key, value, now, 0) for key, value in floats.items()]
    return Story({key: figures[key] for key in figures.keys() - floats.keys()}, now, now, metrics)


def _tell(
    client: MlflowClient, experiment: str, execution: StageRun, story: Story, run: Run | None
) -> None:
    """Tell the STORY of EXECUTION: what RUN lacks of it, or all of it in a run of its own."""
    from mlflow.entities import Param, RunTag

    name = experiment_of(execution)
    under_way = {RESTORED: UNDER_WAY, **this_process()}
    in_part = run is not None and RESTORED not in run.data.tags
    if run is None:
        run = client.create_run(
            experiment,
            start_time=story.begun,
            run_name=f"{execution.stage} · {name}" if name else execution.stage,
            tags={
                "dvc.stage": execution.stage,
                "dvc.exp": name or "",
                "dvc.fingerprint": execution.fingerprint,
                **under_way,
            },
        )
    run_id = run.info.run_id
    facts = {**under_way, **story.tags}
    client.log_batch(run_id, tags=[RunTag(key, str(value)) for key, value in facts.items()])
    if not run.data.params:
        params = [Param(key, str(value)) for key, value in execution.params.items()]
        client.log_batch(run_id, params=params)
    if not (run.inputs and run.inputs.dataset_inputs):
        log_data_sets(client, run_id, execution)
    told = {
        (key, point.step)
        for key in run.data.metrics
        for point in client.get_metric_history(run_id, key)
    }
    untold = [point for point in story.metrics if (point.key, point.step) not in told]
    for start in range(0, len(untold), 1000):
        client.log_batch(run_id, metrics=untold[start : start + 1000])
    kept = _kept(execution)
    if kept and story.scores:
        _register(client, run_id, execution, kept, story.scores)
    elif kept:
        _show(client, run_id, kept, story.metrics)
    lacks = execution.stage.startswith(("train", "evaluate")) and not kept
    end = {RESTORED: "in part" if in_part else "true", LACKS: "pictures" if lacks else ""}
    client.log_batch(run_id, tags=[RunTag(key, value) for key, value in end.items()])
    # Samples or a model that come later do not make the execution last until then.
    client.set_terminated(run_id, "FINISHED", run.info.end_time or story.ended)


def _register(
    client: MlflowClient, run_id: str, execution: StageRun, folder: Path, scores: dict[str, Any]
) -> None:
    """Have the generator in FOLDER, which got SCORES, in the registry."""
    stage, _, encoder = execution.stage.partition("@")
    reals = next(iter(execution.data_sets.values()), "")
    register(client, run_id, stage.removeprefix("evaluate_"), folder, encoder, scores, reals)


def _points(table: Path, begun: int, encoder: str | None = None) -> list[Metric]:
    """Every cell of TABLE at its step and, if it has seconds, at its time after BEGUN (ms)."""
    import pandas as pd

    from pokegan.metrics.names import metric_name

    points = []
    for row in pd.read_csv(table).to_dict("records"):
        at = begun + int(1000 * row.get("seconds", 0))
        for column, value in row.items():
            if encoder and column in ("epoch", "step"):
                continue
            name = metric_name(str(column), encoder) if encoder else str(column)
            points.append(_point(name, float(value), at, int(row["step"])))
    return points


def _point(key: str, value: float, at: int, step: int) -> Metric:
    from mlflow.entities import Metric

    return Metric(key, value, at, step)


def _show(client: MlflowClient, run_id: str, samples: Path, metrics: list[Metric]) -> None:
    """Put the grids of SAMPLES into the image panel, at the steps of their epochs."""
    import numpy as np

    from pokegan.core.grids import grid

    names = (Path(each.path).name for each in client.list_artifacts(run_id, "images"))
    shown = {int(found[1]) for name in names if (found := IMAGE.match(name))}
    steps = {f"{point.value:.6g}": point.step for point in metrics if point.key == "epoch"}
    with np.load(samples, allow_pickle=False) as stored:
        for epoch, pictures in zip(stored["epochs"], stored["pictures"], strict=True):
            step = steps.get(f"{epoch:.6g}")
            if step is not None and step not in shown:
                pixels = grid(pictures, COLUMNS)
                client.log_image(run_id, pixels, key="samples", step=step, synchronous=True)
