"""Group the stage runs of one execution of the pipeline below a parent run.

The stages of an execution are separate processes, so its parent is found by tags: a hash of
params.yaml and the code, the DVC experiment, and the repository. The commit is not among them:
committed results belong to the execution that produced them.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import tempfile
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from pokegan.core.checkpoint import INDECISIVE
from pokegan.core.params import PARAMS_FILE, flatten, load_yaml
from pokegan.core.provenance import git, root
from pokegan.tracking.lockfile import StageRun
from pokegan.tracking.results import Results, large_file, read_grids
from pokegan.tracking.store import LOCK_TIMEOUT, is_dead, log_batch, this_process

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

PARENT = "mlflow.parentRunId"  # tag by which the UI nests runs
CONTENT = "dvc.content"
COMPLETE = "dvc.complete"  # "true": nothing is left to add from git
COMMITTED = "committed results"
CODE = ("stages", "pokegan", "dvc.yaml")
NOT_DECISIVE = tuple(f"pokegan/{package}/" for package in INDECISIVE)
# A reference of an experiment (below its baseline's hash, in two parts), and its commit.
FORMAT = "--format=%(refname) %(objectname)"
EXPERIMENT = re.compile(r"refs/exps/[0-9a-f]{2}/[0-9a-f]{38}/(\S+) ([0-9a-f]{40})")


@dataclass(frozen=True)
class Pipeline:
    """One execution of the pipeline, with its results in the workspace or in a git revision."""

    experiment: str = ""  # name in DVC; "" for `dvc repro`
    revision: str = ""  # of git; the workspace by default

    @cached_property
    def params(self) -> dict[str, Any]:
        """All values of params.yaml, ``section.key`` → value."""
        if not self.revision:
            return dict(flatten(load_yaml(PARAMS_FILE)))
        with tempfile.TemporaryDirectory() as temporary:
            file = Path(temporary) / PARAMS_FILE
            content = git("show", f"{self.revision}:./{PARAMS_FILE}", check=False)
            file.write_text(content, encoding="utf-8")
            return dict(flatten(load_yaml(file)))

    @cached_property
    def content(self) -> str:
        """A hash of the parameters and the code; the same in the workspace and when committed."""
        if self.revision:
            listed = git("ls-tree", "-rz", self.revision, "--", *CODE, check=False).split("\0")
            pairs = [(path, entry.split()[2]) for entry, _, path in map(_at_tab, listed) if path]
        else:
            listed = git("ls-files", "-z", "--", *CODE, check=False).split("\0")
            paths = [path for path in listed if Path(path).is_file()]
            blobs = git("hash-object", "--", *paths, check=False).split() if paths else []
            pairs = list(zip(paths, blobs, strict=True))
        code = sorted(pair for pair in pairs if not pair[0].startswith(NOT_DECISIVE))
        text = json.dumps([code, sorted(self.params.items())])
        return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()

    @property
    def identity(self) -> dict[str, str]:
        """Tags that only the parent of this execution in this repository has."""
        here = {"host": platform.node(), "dvc.root": str(root())}
        return {CONTENT: self.content, "dvc.exp": self.experiment, **here}

    @property
    def name(self) -> str:
        """The name of the experiment; without one, "repro" and the commit."""
        commit = git("rev-parse", "--short", self.revision or "HEAD", check=False)
        return self.experiment or f"repro {commit}".strip()

    @property
    def is_committed(self) -> bool:
        """Whether dvc.lock, parameters and code are those of a commit."""
        files = ("dvc.lock", str(PARAMS_FILE), *CODE)
        return bool(self.revision) or not git("status", "--porcelain", "--", *files, check=False)


def _at_tab(entry: str) -> tuple[str, str, str]:
    return entry.partition("\t")


def pipelines(revisions: bool) -> list[Pipeline]:
    """Return the execution in the workspace, and those with results in git, if wanted.

    The first of them becomes the parent of runs that they share.
    """
    here = Pipeline(os.environ.get("DVC_EXP_NAME", ""))
    head = git("rev-parse", "HEAD", check=False)
    if not revisions or not head:
        return [here]
    refs = git("for-each-ref", "--sort=committerdate", FORMAT, "refs/exps").splitlines()
    found = [match for ref in refs if (match := EXPERIMENT.fullmatch(ref))]
    experiments = [Pipeline(each[1], each[2]) for each in found]
    last = Pipeline("", head)
    if last.content == here.content:
        return [here, *experiments]
    return [last, *experiments, here]


def find_parents(client: MlflowClient, experiment: str, pipeline: Pipeline) -> list[Run]:
    """Return the parents with the parameters and the code of an execution, the newest first."""
    same = f"tags.`{CONTENT}` = '{pipeline.content}'"
    return list(client.search_runs([experiment], same))


def open_parent(
    client: MlflowClient, experiment: str, pipeline: Pipeline, tags: Mapping[str, str]
) -> str:
    """Find or create the parent of a stage that starts; return its id. Its status is RUNNING."""
    with FileLock(root() / ".work" / "parent.lock", timeout=LOCK_TIMEOUT):
        parents = find_parents(client, experiment, pipeline)
        mine = [run for run in parents if pipeline.identity.items() <= run.data.tags.items()]
        run = mine[0] if mine else create_parent(client, experiment, pipeline, pipeline.name, tags)
    log_params(client, run, pipeline)
    if run.info.status != "RUNNING":
        client.update_run(run.info.run_id, "RUNNING")
    log_batch(client, run.info.run_id, tags={**this_process(), COMPLETE: ""})
    return str(run.info.run_id)


def create_parent(
    client: MlflowClient,
    experiment: str,
    pipeline: Pipeline,
    name: str,
    tags: Mapping[str, str],
    started: int | None = None,
) -> Run:
    """Create the parent of an execution."""
    tags = {**tags, **pipeline.identity, **this_process()}
    return client.create_run(experiment, start_time=started, run_name=name, tags=tags)


def log_params(client: MlflowClient, run: Run, pipeline: Pipeline) -> None:
    """Log all of params.yaml, unless the parent has it."""
    if len(run.data.params) < len(pipeline.params):
        log_batch(client, run.info.run_id, params=pipeline.params)


def close_parent(client: MlflowClient, run_id: str, status: str) -> None:
    """Close the parent, unless a stage that started later uses it or has closed it."""
    run = client.get_run(run_id)
    is_mine = this_process().items() <= run.data.tags.items()
    is_open = run.info.status == "RUNNING" and not is_dead(run.data.tags)
    if is_mine or (status != "FINISHED" and not is_open):
        client.set_terminated(run_id, status)


def log_results(
    client: MlflowClient, run_id: str, results: Iterable[tuple[StageRun, Results]]
) -> bool:
    """Log scores, durations and sample grids that the parent lacks; return if it lacked any."""
    from mlflow.entities import Metric

    run, now = client.get_run(run_id), int(time.time() * 1000)
    known = {file.path for file in client.list_artifacts(run_id)}
    values: dict[str, float] = {}
    lacked_image = False
    for execution, each in results:
        name = execution.network
        if not execution.stage.startswith("train@"):
            values |= {f"{name}.{key}": score for key, score in each.scores.items()}
            continue
        values[f"{name}.train_seconds"] = seconds = each.values["seconds"]
        samples = large_file(execution)
        is_new = run.data.metrics.get(f"{name}.train_seconds") != seconds
        if samples and (is_new or f"{name}.png" not in known):
            *_, (_, pixels) = read_grids(samples)
            client.log_image(run_id, pixels, f"{name}.png")
            lacked_image = True
    all_values = {**run.data.metrics, **values}
    durations = [value for key, value in all_values.items() if key.endswith(".train_seconds")]
    if durations:
        values["train_seconds"] = round(sum(durations), 1)
    missing = {key: value for key, value in values.items() if run.data.metrics.get(key) != value}
    log_batch(client, run_id, metrics=[Metric(key, v, now, 0) for key, v in missing.items()])
    return lacked_image or bool(missing)
