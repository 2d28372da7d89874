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
from pokegan.tracking.child import (
    FINGERPRINT,
    LACKS,
    PARENT,
    RESTORED,
    complete_run,
    create_run,
    log_scores,
)
from pokegan.tracking.lockfile import StageRun, finished
from pokegan.tracking.parent import COMPLETE, Pipeline
from pokegan.tracking.registry import choose_best
from pokegan.tracking.results import large_file, read_results
from pokegan.tracking.store import Store, is_permanent_error, is_running

if TYPE_CHECKING:
    from mlflow.entities import Run


def sync_runs(
    store: Store, exclude: str = "", wait: float = 0, create: bool = True, revisions: bool = False
) -> list[str]:
    """Complete the runs of the results in the workspace, and close the runs of dead processes.

    The execution with the fingerprint `exclude` logs its run itself. With `create`, missing runs
    are created and parents completed, and with `revisions` also those of the last commit and of
    DVC's experiments. A permanent error of one run is raised after the others are complete.

    Returns:
        The stages and executions whose runs were created or completed.

    Raises:
        filelock.Timeout: another process synchronizes the store for longer than `wait` seconds.
    """
    synced: list[str] = []
    errors: list[Exception] = []
    with FileLock(root() / ".work" / "sync.lock", timeout=wait):
        for pipeline in parents.pipelines(revisions):
            synchronization = Synchronization(store, pipeline, exclude)
            try:
                synchronization.run(create)
            except PipelineError as error:  # a revision may have a former layout
                errors += [] if pipeline.revision else [error]
            errors += synchronization.errors
            synced += synchronization.synced
        store.close_dead_runs()
    if errors:
        raise errors[0]
    return list(dict.fromkeys(synced))


class Synchronization:
    """Synchronization of one execution of the pipeline.

    Attributes:
        synced: names of the runs that were created or completed.
        errors: permanent errors of runs.
    """

    def __init__(self, store: Store, pipeline: Pipeline, exclude: str) -> None:
        self.synced: list[str] = []
        self.errors: list[Exception] = []
        self._store, self._pipeline, self._exclude = store, pipeline, exclude
        self._runs: dict[str, Run] = {}  # by stage

    def run(self, create: bool) -> None:
        """Complete the runs of the stages; with `create`, create missing ones and the parent."""
        candidates = self._candidates() if create else []
        if self._pipeline.revision and any(
            is_running(each) or each.data.tags.get(COMPLETE) for each in candidates
        ):
            return
        executions = finished(self._pipeline.revision)
        for execution in executions:
            if execution.fingerprint != self._exclude:
                self._attempt(partial(self._complete, execution))
        current = [each for each in executions if each.is_current]
        # Without a network, the pipeline has not run or has a former layout.
        if not create or not any(each.network for each in current):
            return
        known = {*self._runs, *(e.stage for e in current if e.fingerprint == self._exclude)}
        missing = [each for each in current if each.stage not in known]
        is_all = current == executions
        parent = self._choose(candidates)
        wanted = self._pipeline.experiment or missing or is_all
        if not parent and wanted and not parents.is_deleted(self._store, self._pipeline):
            parent = self._create_parent(current)
        if parent:
            for execution in missing:
                self._attempt(partial(self._create, execution, parent.info.run_id))
            self._attempt(partial(self._complete_parent, parent, current, is_all))

    def _attempt(self, action: Callable[[], None]) -> None:
        try:
            action()
        except Exception as error:
            if not is_permanent_error(error):
                raise
            self.errors.append(error)

    def _complete(self, execution: StageRun) -> None:
        """Find the run of an execution, and complete it if it lacks something."""
        incomplete: list[Run] = []
        for run in self._store.find(FINGERPRINT, execution.fingerprint):
            lacks_nothing = not (run.data.tags.get(LACKS) and large_file(execution))
            if (run.info.status == "FINISHED" and lacks_nothing) or is_running(run):
                self._runs[execution.stage] = run
                return
            if run.info.status != "FAILED":
                incomplete.append(run)
        if incomplete and (results := read_results(execution)):
            self._runs[execution.stage] = incomplete[0]  # the newest
            complete_run(self._store, incomplete[0], execution, results)
            self.synced.append(execution.stage)

    def _create(self, execution: StageRun, parent: str) -> None:
        """Create the run of an execution below the parent."""
        if self._store.find(FINGERPRINT, execution.fingerprint, deleted=True):
            return
        if results := read_results(execution):
            tags = {RESTORED: "true", "dvc.exp": self._pipeline.experiment}
            run = create_run(self._store, execution, parent, results.started, tags)
            complete_run(self._store, run, execution, results)
            self.synced.append(execution.stage)

    def _candidates(self) -> list[Run]:
        """Return the runs that may be the parent of the execution."""
        found = parents.find_parents(self._store, self._pipeline)
        name = self._pipeline.experiment
        if self._pipeline.revision and name:
            found = [run for run in found if run.data.tags["dvc.exp"] == name]
        return found

    def _choose(self, candidates: list[Run]) -> Run | None:
        """Return this repository's parent of the execution, or else the one that has its runs."""
        owners = {run.data.tags.get(PARENT) for run in self._runs.values()}
        mine = [run for run in candidates if self._pipeline.owns(run)]
        if self._pipeline.revision and self._pipeline.experiment:
            mine += candidates
        return next(iter(mine + [run for run in candidates if run.info.run_id in owners]), None)

    def _create_parent(self, current: list[StageRun]) -> Run:
        pipeline = self._pipeline
        trainings = [each for each in current if each.stage.startswith("train@")]
        found = [results for each in trainings if (results := read_results(each))]
        baseline = f"{pipeline.revision}^" if pipeline.experiment else "HEAD"
        commit = git("rev-parse", baseline, check=False)
        tags = {RESTORED: "true", "git_commit": commit, "dvc.baseline": commit}
        name = "committed results" if pipeline.is_committed else pipeline.name
        started = min((each.started for each in found), default=None)
        ended = max((each.ended for each in found), default=None)
        parent = parents.create_parent(self._store, pipeline, name, tags, started)
        self._store.client.set_terminated(parent.info.run_id, "FINISHED", ended)
        self.synced.append(name)
        return parent

    def _complete_parent(self, parent: Run, current: list[StageRun], is_all: bool) -> None:
        """Log what the parent and the trainings lack of the final results."""
        run_id = parent.info.run_id
        self._store.log_params(parent, self._pipeline.params)
        networks = [each for each in current if each.network]
        results = [(each, read) for each in networks if (read := read_results(each))]
        if parents.log_results(self._store, run_id, results):
            self.synced.append(parent.info.run_name)
        for execution, each in results:
            log_scores(self._store, current, execution, each)
            if each.scores and not self._pipeline.revision:
                self.synced += choose_best(self._store, execution.network, each.values)
        # Closed by no stage, as the server or the process died.
        is_done = is_all or (parent.info.status == "RUNNING" and self.synced)
        if is_done and parent.info.status != "FINISHED" and not is_running(parent):
            self._store.client.set_terminated(run_id, "FINISHED")
        if self._pipeline.revision and not self.errors:
            self._store.log(run_id, tags={COMPLETE: "true"})
