"""Write the run of a stage from the files that DVC tracks."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pokegan.tracking.lockfile import StageRun, finished
from pokegan.tracking.parent import PARENT
from pokegan.tracking.registry import register
from pokegan.tracking.results import Results, large_file, read_grids
from pokegan.tracking.store import is_permanent_error, log_batch, this_process

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Run

RESTORED = "dvc.restored"  # "true": created by sync; "in part": completed by sync
LACKS = "dvc.lacks"  # "pictures": the samples or the model are not on this machine yet
# MLflow's name of an image of a step: samples+step+95+timestamp+….png
IMAGE = re.compile(r"samples\Wstep\W(\d+)\W.*\.png")


def create_run(
    client: MlflowClient,
    experiment: str,
    execution: StageRun,
    parent: str,
    started: int,
    tags: Mapping[str, str],
) -> Run:
    """Create the run of an execution, named after the stage, below its parent."""
    identity = {"dvc.stage": execution.stage, "dvc.fingerprint": execution.fingerprint}
    return client.create_run(
        experiment,
        start_time=started,
        run_name=execution.stage,
        tags={**identity, PARENT: parent, **this_process(), **tags},
    )


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
    log_batch(client, run_id, metrics=missing)
    rejected, lacks = None, ""
    try:
        file = large_file(execution)
        if file is None:
            lacks = "pictures" if execution.network else ""
        elif execution.stage.startswith("train@"):
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


def log_scores_of(
    client: MlflowClient, experiment: str, evaluation: StageRun, results: Results
) -> None:
    """Log the scores of an evaluation to the run of the training that it evaluates, if any."""
    name = f"train@{evaluation.network}"
    trainings = [each for each in finished() if each.stage == name and each.is_current]
    if results.scores and trainings:
        same = f"tags.`dvc.fingerprint` = '{trainings[0].fingerprint}'"
        for run in client.search_runs([experiment], same, max_results=1):
            log_scores(client, run.info.run_id, results)


def log_scores(client: MlflowClient, run_id: str, results: Results) -> None:
    """Log the final scores of a network to the run of its training, at the last step."""
    from mlflow.entities import Metric

    now, step = int(time.time() * 1000), results.last_step
    metrics = [Metric(key, value, now, step) for key, value in results.scores.items()]
    log_batch(client, run_id, metrics=metrics)


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


def _log_samples(client: MlflowClient, run_id: str, samples: Path, metrics: list[Metric]) -> None:
    """Log the grids of samples that the run lacks, at the steps of their epochs."""
    names = (Path(each.path).name for each in client.list_artifacts(run_id, "images"))
    logged = {int(found[1]) for name in names if (found := IMAGE.match(name))}
    steps = {f"{point.value:.6g}": point.step for point in metrics if point.key == "epoch"}
    for epoch, pixels in read_grids(samples):
        step = steps.get(f"{epoch:.6g}")
        if step is not None and step not in logged:
            client.log_image(run_id, pixels, key="samples", step=step, synchronous=True)
