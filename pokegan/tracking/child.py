"""Write the run of a stage from the files that DVC tracks."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pokegan.tracking.lockfile import StageRun
from pokegan.tracking.registry import register
from pokegan.tracking.results import Results, large_file, read_grids
from pokegan.tracking.store import Store, this_process

if TYPE_CHECKING:
    from mlflow.entities import Metric, Run

PARENT = "mlflow.parentRunId"  # tag by which the UI nests runs
FINGERPRINT = "dvc.fingerprint"
RESTORED = "dvc.restored"  # "true": created by sync; "in part": completed by sync
LACKS = "dvc.lacks"  # "pictures": the samples or the model are not on this machine yet
# MLflow's name of an image of a step: samples+step+95+timestamp+….png
IMAGE = re.compile(r"samples\Wstep\W(\d+)\W.*\.png")


def create_run(
    store: Store, execution: StageRun, parent: str, started: int, tags: Mapping[str, str]
) -> Run:
    """Create the run of an execution, named after the stage, below its parent."""
    identity = {"dvc.stage": execution.stage, FINGERPRINT: execution.fingerprint, PARENT: parent}
    return store.create_run(execution.stage, {**identity, **tags}, started)


def complete_run(store: Store, run: Run, execution: StageRun, results: Results) -> None:
    """Log what the run lacks of an execution's results, and close it as FINISHED."""
    run_id = run.info.run_id
    state = {
        RESTORED: run.data.tags.get(RESTORED, "in part"),
        LACKS: "pictures" if execution.network else "",
    }
    store.log(run_id, tags={**state, **this_process(), **results.tags})
    log_inputs(store, run, execution)
    logged = {
        (key, point.step)
        for key in {point.key for point in results.metrics} & run.data.metrics.keys()
        for point in store.client.get_metric_history(run_id, key)
    }
    missing = [point for point in results.metrics if (point.key, point.step) not in logged]
    store.log(run_id, metrics=missing)
    # Samples or a model that are added later do not change the end of the run.
    store.client.set_terminated(run_id, "FINISHED", run.info.end_time or results.ended)
    if file := large_file(execution):
        if execution.stage.startswith("train@"):
            _log_samples(store, run_id, file, results.metrics)
        else:
            register(store, run_id, execution.network, file, results.values)
        store.log(run_id, tags={LACKS: ""})


def log_scores(
    store: Store, executions: Iterable[StageRun], evaluation: StageRun, results: Results
) -> None:
    """Log the final scores of a network to the run of its training, at the last step, if any."""
    name = f"train@{evaluation.network}"
    for training in executions:
        if results.scores and training.stage == name and training.is_current:
            for run in store.find(FINGERPRINT, training.fingerprint)[:1]:
                if not results.scores.items() <= run.data.metrics.items():
                    store.log_values(run.info.run_id, results.scores, results.last_step)


def log_inputs(store: Store, run: Run, execution: StageRun) -> None:
    """Log parameters, and data sets with their md5 in DVC as digest, if the run has none."""
    from mlflow.entities import Dataset, DatasetInput

    store.log_params(run, execution.params)
    if execution.data_sets and not (run.inputs and run.inputs.dataset_inputs):
        inputs = [
            DatasetInput(Dataset(Path(path).stem, md5, "local", json.dumps({"uri": path})))
            for path, md5 in execution.data_sets.items()
        ]
        store.client.log_inputs(run.info.run_id, inputs)


def _log_samples(store: Store, run_id: str, samples: Path, metrics: list[Metric]) -> None:
    """Log the grids of samples that the run lacks, at the steps of their epochs."""
    names = (Path(each.path).name for each in store.client.list_artifacts(run_id, "images"))
    logged = {int(found[1]) for name in names if (found := IMAGE.match(name))}
    steps = {f"{point.value:.6g}": point.step for point in metrics if point.key == "epoch"}
    for epoch, pixels in read_grids(samples):
        step = steps.get(f"{epoch:.6g}")
        if step is not None and step not in logged:
            store.client.log_image(run_id, pixels, key="samples", step=step, synchronous=True)
