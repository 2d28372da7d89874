"""Complete MLflow's runs from the files that DVC tracks.

A stage that DVC restored from its cache, or that came with a clone, has no run in this store; a run
whose server or process died lacks a part. The same holds for the parents of these runs.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from filelock import FileLock

from pokegan.core.errors import PipelineError
from pokegan.core.provenance import git, root
from pokegan.tracking import parent as parents
from pokegan.tracking.child import LACKS, RESTORED, complete_run, create_run, log_scores
from pokegan.tracking.lockfile import StageRun, finished
from pokegan.tracking.parent import COMMITTED, COMPLETE, PARENT, Pipeline
from pokegan.tracking.results import large_file, read_results
from pokegan.tracking.store import (
    close_dead_runs,
    is_dead,
    is_permanent_error,
    log_batch,
)

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run


def complete_runs(client: MlflowClient, experiment: str, exclude: str) -> None:
    """Complete the runs that exist of the stages in dvc.lock; close the runs of dead processes.

    The execution with the fingerprint `exclude` logs its run itself.

    Raises:
        filelock.Timeout: another process synchronizes the store.
    """
    with _lock(wait=0):
        _raise_first(Synchronization(client, experiment, Pipeline(), exclude).complete_children())
        close_dead_runs(client, experiment)


def sync_runs(
    client: MlflowClient,
    experiment: str,
    exclude: str = "",
    wait: float = 0,
    revisions: bool = False,
) -> list[str]:
    """Create or complete the runs of the results in the workspace, and their parent.

    With `revisions` those of the last commit and of the DVC experiments, too. A permanent error of
    one run is raised after the others are complete.

    Returns:
        The stages and executions whose runs were created or completed.

    Raises:
        filelock.Timeout: another process has synchronized the store for longer than `wait` seconds.
    """
    synced: list[str] = []
    errors: list[Exception] = []
    with _lock(wait):
        for pipeline in parents.pipelines(revisions):
            synchronization = Synchronization(client, experiment, pipeline, exclude)
            errors += synchronization.run()
            synced += synchronization.synced
        close_dead_runs(client, experiment)
    _raise_first(errors)
    return list(dict.fromkeys(synced))


def _lock(wait: float) -> FileLock:
    return FileLock(root() / ".work" / "sync.lock", timeout=wait)


def _raise_first(errors: list[Exception]) -> None:
    if errors:
        raise errors[0]


class Synchronization:
    """Of one execution of the pipeline; `synced` names what was created or completed."""

    def __init__(
        self, client: MlflowClient, experiment: str, pipeline: Pipeline, exclude: str
    ) -> None:
        self.synced: list[str] = []
        self._client, self._experiment, self._pipeline = client, experiment, pipeline
        self._exclude = exclude
        self._errors: list[Exception] = []
        self._runs: dict[str, Run] = {}  # by stage
        self._parent: Run | None = None

    def run(self) -> list[Exception]:
        """Create or complete all runs; return permanent errors."""
        name, revision = self._pipeline.experiment, self._pipeline.revision
        try:
            candidates = parents.find_parents(self._client, self._experiment, self._pipeline)
            if revision and name:
                candidates = [run for run in candidates if run.data.tags["dvc.exp"] == name]
            if revision and any(_is_running(r) or r.data.tags.get(COMPLETE) for r in candidates):
                return []
            executions = finished(revision)
        except PipelineError as error:  # of a former layout, if it is not the workspace
            return [] if revision else [error]
        self.complete_children(executions)
        self._parent = self._choose(candidates)
        current = [each for each in executions if each.is_current]
        missing = [each for each in current if self._is_missing(each)]
        if not any(each.network for each in current):  # not run, or of a former layout
            return self._errors
        if not self._parent and (name or missing or current == executions):
            self._create_parent(current)
        if self._parent:
            for execution in missing:
                self._attempt(partial(self._create, execution))
            self._attempt(partial(self._complete_parent, current, current == executions))
        return self._errors

    def complete_children(self, executions: list[StageRun] | None = None) -> list[Exception]:
        """Complete the runs that exist; return permanent errors."""
        for execution in finished() if executions is None else executions:
            if execution.fingerprint != self._exclude:
                self._attempt(partial(self._complete, execution))
        return self._errors

    def _attempt(self, action: Callable[[], None]) -> None:
        try:
            action()
        except Exception as error:
            if not is_permanent_error(error):
                raise
            self._errors.append(error)

    def _complete(self, execution: StageRun) -> None:
        """Find the run of an execution, and complete it if it lacks something."""
        incomplete: Run | None = None
        same = f"tags.`dvc.fingerprint` = '{execution.fingerprint}'"
        for run in self._client.search_runs([self._experiment], same):  # the newest comes first
            tags, status = run.data.tags, run.info.status
            lacks_nothing = not (tags.get(LACKS) and large_file(execution))
            if (status == "FINISHED" and lacks_nothing) or _is_running(run):
                self._runs[execution.stage] = run
                return
            if status != "FAILED":
                incomplete = incomplete or run
        if incomplete and (results := read_results(execution)):
            self._runs[execution.stage] = incomplete
            complete_run(self._client, incomplete, execution, results)
            self.synced.append(execution.stage)

    def _is_missing(self, execution: StageRun) -> bool:
        return execution.stage not in self._runs and execution.fingerprint != self._exclude

    def _choose(self, candidates: list[Run]) -> Run | None:
        """Return this repository's parent of the execution, or else the one that has its runs."""
        owners = {run.data.tags.get(PARENT) for run in self._runs.values()}
        identity = self._pipeline.identity.items()
        mine = [run for run in candidates if identity <= run.data.tags.items()]
        if self._pipeline.experiment:
            mine += candidates if self._pipeline.revision else []
        return next(iter(mine + [run for run in candidates if run.info.run_id in owners]), None)

    def _create_parent(self, current: list[StageRun]) -> None:
        pipeline = self._pipeline
        trainings = [each for each in current if each.stage.startswith("train@")]
        found = [results for each in trainings if (results := read_results(each))]
        baseline = f"{pipeline.revision}^" if pipeline.experiment else "HEAD"
        commit = git("rev-parse", baseline, check=False)
        tags = {RESTORED: "true", "git_commit": commit, "dvc.baseline": commit}
        is_committed = pipeline.is_committed and not pipeline.experiment
        name = COMMITTED if is_committed else pipeline.name
        started = min((each.started for each in found), default=None)
        self._parent = parents.create_parent(
            self._client, self._experiment, pipeline, name, tags, started
        )
        ended = max((each.ended for each in found), default=None)
        self._client.set_terminated(self._parent.info.run_id, "FINISHED", ended)
        self.synced.append(name)

    def _create(self, execution: StageRun) -> None:
        """Create the run of an execution below the parent."""
        results = read_results(execution)
        if results and self._parent:
            tags = {RESTORED: "true", "dvc.exp": self._pipeline.experiment}
            run = create_run(
                self._client,
                self._experiment,
                execution,
                self._parent.info.run_id,
                results.started,
                tags,
            )
            self._runs[execution.stage] = run
            complete_run(self._client, run, execution, results)
            self.synced.append(execution.stage)

    def _complete_parent(self, current: list[StageRun], is_all: bool) -> None:
        """Log what the parent and the trainings lack of the final results."""
        parent = self._parent
        assert parent is not None
        parents.log_params(self._client, parent, self._pipeline)
        results = [
            (each, read) for each in current if each.network and (read := read_results(each))
        ]
        if parents.log_results(self._client, parent.info.run_id, results):
            self.synced.append(parent.info.run_name)
        for execution, each in results:
            training = self._runs.get(f"train@{execution.network}")
            if training and not each.scores.keys() <= training.data.metrics.keys():
                log_scores(self._client, training.info.run_id, each)
        # Closed by no stage, as the server or the process died.
        status, is_alive = parent.info.status, _is_running(parent)
        is_done = is_all or (status == "RUNNING" and self.synced)
        if is_done and status != "FINISHED" and not is_alive:
            self._client.set_terminated(parent.info.run_id, "FINISHED")
        if self._pipeline.revision and not self._errors:
            log_batch(self._client, parent.info.run_id, tags={COMPLETE: "true"})


def _is_running(run: Run) -> bool:
    return bool(run.info.status == "RUNNING" and not is_dead(run.data.tags))
