"""Complete MLflow's runs from the files that DVC tracks.

A stage that DVC restored from its cache, or that came with a clone, has no run in this store; a run
whose server or process died lacks a part. dvc.lock holds the parameters; history.csv, run.json,
samples.npz, scores/ and inspection.json hold the results.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from pokegan.core.params import flatten
from pokegan.core.provenance import root
from pokegan.tracking.lockfile import StageRun, experiment_of, finished
from pokegan.tracking.registry import register
from pokegan.tracking.store import close_dead_runs, is_dead, is_permanent_error, this_process

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Run

COLUMNS = 8  # of a grid of samples
MAX_METRICS = 1000  # in one request to MLflow
RESTORED = "dvc.restored"  # "true": created by sync; "in part": completed by sync
LACKS = "dvc.lacks"  # "pictures": the samples or the model are not on this machine yet
RESULTS = re.compile(r"reports/.*\.(csv|json)")
# MLflow's name of an image of a step: samples+step+95+timestamp+….png
IMAGE = re.compile(r"samples\Wstep\W(\d+)\W.*\.png")


def sync_runs(
    client: MlflowClient, experiment: str, exclude: str = "", wait: float = 0
) -> list[str]:
    """Create or complete the run of each stage in dvc.lock; close the runs of dead processes.

    The execution with the fingerprint `exclude` logs its run itself. A permanent error of one run
    is raised after the others are complete.

    Returns:
        The stages whose runs were created or completed.

    Raises:
        filelock.Timeout: another process has synchronized the store for longer than `wait` seconds.
    """
    synced, errors = [], []
    with FileLock(root() / ".work" / "sync.lock", timeout=wait):
        for execution in finished():
            try:
                if execution.fingerprint != exclude and _sync_run(client, experiment, execution):
                    synced.append(execution.stage)
            except Exception as error:
                if not is_permanent_error(error):
                    raise
                errors.append(error)
        close_dead_runs(client, experiment)
    if errors:
        raise errors[0]
    return synced


def _sync_run(client: MlflowClient, experiment: str, execution: StageRun) -> bool:
    """Create or complete the run of an execution; return whether that was necessary."""
    incomplete: Run | None = None
    same = f"tags.`dvc.fingerprint` = '{execution.fingerprint}'"
    for run in client.search_runs([experiment], same):  # the newest comes first
        tags, status = run.data.tags, run.info.status
        if status == "FINISHED" and not (tags.get(LACKS) and _large_file(execution)):
            return False
        if status == "RUNNING" and not is_dead(tags):
            return False
        if status != "FAILED":
            incomplete = incomplete or run
    results = read_results(execution)
    if results is None:
        return False
    if incomplete is None:
        name, tags = experiment_of(execution), {RESTORED: "true"}
        incomplete = create_run(client, experiment, execution, name, results.started, tags)
    complete_run(client, incomplete, execution, results)
    return True


def create_run(
    client: MlflowClient,
    experiment: str,
    execution: StageRun,
    name: str | None,
    started: int,
    tags: Mapping[str, str],
) -> Run:
    """Create the run of an execution, named after the stage and the DVC experiment, if any."""
    identity = {"dvc.stage": execution.stage, "dvc.fingerprint": execution.fingerprint}
    return client.create_run(
        experiment,
        start_time=started,
        run_name=f"{execution.stage} · {name}" if name else execution.stage,
        tags={**identity, "dvc.exp": name or "", **this_process(), **tags},
    )


@dataclass
class Results:
    """What an execution left in its small files; times in milliseconds."""

    started: int
    ended: int
    values: dict[str, Any]  # of the JSON files
    metrics: list[Metric]
    tags: dict[str, Any] = field(default_factory=dict)


def read_results(execution: StageRun) -> Results | None:
    """Read the small files of an execution; None if one is missing or was changed since."""
    from mlflow.entities import Metric

    outputs = [path for path in execution.outputs if RESULTS.fullmatch(path)]
    files = [file for path in outputs if (file := execution.intact(path))]
    is_training = execution.stage.startswith("train@")
    if len(files) < len(outputs) or (is_training and not files):  # no file outside of DVC
        return None
    values: dict[str, Any] = {}
    for file in files:
        if file.suffix == ".json":
            values |= dict(flatten(json.loads(file.read_text(encoding="utf-8"))))
    started = ended = int(time.time() * 1000)
    if is_training:
        ended = int(datetime.fromisoformat(values["date"]).timestamp() * 1000)
        started = ended - int(1000 * values["seconds"])
    tables = [file for file in files if file.suffix == ".csv"]
    metrics = [point for table in tables for point in _points(table, started)]
    results = Results(started, ended, values, metrics)
    known = {point.key for point in metrics}
    for key, value in values.items():
        if is_training or not isinstance(value, float):
            results.tags |= {} if key.startswith("params.") else {key: value}
        elif key not in known:
            results.metrics.append(Metric(key, value, ended, 0))
    return results


def _points(table: Path, started: int) -> Iterator[Metric]:
    """Yield each cell of a table at its step and, if it has seconds, at its time."""
    import pandas as pd
    from mlflow.entities import Metric

    from pokegan.metrics.names import metric_name

    are_scores = table.parent.name == "scores"
    for row in pd.read_csv(table).to_dict("records"):
        at = started + int(1000 * row.get("seconds", 0))
        for column, value in row.items():
            if not are_scores:
                yield Metric(str(column), float(value), at, int(row["step"]))
            elif column not in ("epoch", "step"):
                name = metric_name(str(column), table.stem)
                yield Metric(name, float(value), at, int(row["step"]))


def complete_run(client: MlflowClient, run: Run, execution: StageRun, results: Results) -> None:
    """Log what the run lacks of an execution's results, and close it as FINISHED."""
    run_id = run.info.run_id
    restored = {RESTORED: run.data.tags.get(RESTORED, "in part")}
    log_batch(client, run_id, tags={**restored, **this_process(), **results.tags})
    log_inputs(client, run, execution)
    logged = {
        (key, point.step)
        for key in {point.key for point in results.metrics} & run.data.metrics.keys()
        for point in client.get_metric_history(run_id, key)
    }
    missing = [point for point in results.metrics if (point.key, point.step) not in logged]
    for start in range(0, len(missing), MAX_METRICS):
        client.log_batch(run_id, metrics=missing[start : start + MAX_METRICS])
    rejected, lacks = None, ""
    try:
        file = _large_file(execution)
        if file is None:
            lacks = "pictures" if execution.stage.startswith(("train@", "evaluate_")) else ""
        elif file.suffix == ".npz":
            _log_samples(client, run_id, file, results.metrics)
        else:
            encoder = execution.stage.rpartition("-")[2]
            reference = next(iter(execution.data_sets.values()), "")
            register(client, run_id, file.name, file, encoder, results.values, reference)
    except Exception as error:
        if not is_permanent_error(error):
            raise
        rejected, lacks = error, "pictures"
    log_batch(client, run_id, tags={LACKS: lacks})
    # Samples or a model that are added later do not change the end of the run.
    client.set_terminated(run_id, "FINISHED", run.info.end_time or results.ended)
    if rejected:
        raise rejected


def log_batch(
    client: MlflowClient,
    run_id: str,
    tags: Mapping[str, Any] | None = None,
    params: Mapping[str, Any] | None = None,
) -> None:
    """Log tags and parameters in one request."""
    from mlflow.entities import Param, RunTag

    client.log_batch(
        run_id,
        tags=[RunTag(key, str(value)) for key, value in (tags or {}).items()],
        params=[Param(key, str(value)) for key, value in (params or {}).items()],
    )


def log_inputs(client: MlflowClient, run: Run, execution: StageRun) -> None:
    """Log parameters, and data sets with their md5 in DVC as digest, if the run has none."""
    from mlflow.entities import Dataset, DatasetInput

    run_id = run.info.run_id
    if not run.data.params:
        log_batch(client, run_id, params=execution.params)
    if execution.data_sets and not (run.inputs and run.inputs.dataset_inputs):
        inputs = [
            DatasetInput(Dataset(Path(path).stem, md5, "local", json.dumps({"uri": path})))
            for path, md5 in execution.data_sets.items()
        ]
        client.log_inputs(run_id, inputs)


def _large_file(execution: StageRun) -> Path | None:
    """Return what DVC and not git stores, if it is on this machine: samples, or a scored model."""
    family, _, item = execution.stage.partition("@")
    if family == "train":
        return execution.intact(f"reports/networks/{item}/samples.npz")
    if family.startswith("evaluate_"):
        return execution.intact(f"models/{item.rpartition('-')[0]}")
    return None


def _log_samples(client: MlflowClient, run_id: str, samples: Path, metrics: list[Metric]) -> None:
    """Log the grids of samples that the run lacks, at the steps of their epochs."""
    import numpy as np

    from pokegan.core.grids import grid

    names = (Path(each.path).name for each in client.list_artifacts(run_id, "images"))
    logged = {int(found[1]) for name in names if (found := IMAGE.match(name))}
    steps = {f"{point.value:.6g}": point.step for point in metrics if point.key == "epoch"}
    with np.load(samples, allow_pickle=False) as stored:
        for epoch, pictures in zip(stored["epochs"], stored["pictures"], strict=True):
            step = steps.get(f"{epoch:.6g}")
            if step is not None and step not in logged:
                pixels = grid(pictures, COLUMNS)
                client.log_image(run_id, pixels, key="samples", step=step, synchronous=True)
