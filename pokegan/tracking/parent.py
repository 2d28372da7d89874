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
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from filelock import FileLock

from pokegan.core.checkpoint import INDECISIVE
from pokegan.core.params import PARAMS_FILE, flatten, load_yaml, parse_yaml
from pokegan.core.provenance import git, root
from pokegan.tracking.child import PARENT
from pokegan.tracking.lockfile import StageRun
from pokegan.tracking.results import Results, large_file, read_grids
from pokegan.tracking.store import (
    LOCK_TIMEOUT,
    Store,
    connect,
    first_line,
    is_running,
    this_process,
)

if TYPE_CHECKING:
    from mlflow.entities import Run

CONTENT = "dvc.content"
STUDY_RUN = "POKEGAN_STUDY_RUN"  # environment variable with the id of the study's run
COMPLETE = "dvc.complete"  # "true": nothing is left to add from git
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
        if self.revision:
            text = git("show", f"{self.revision}:./{PARAMS_FILE}", check=False)
            return dict(flatten(parse_yaml(text, PARAMS_FILE)))
        return dict(flatten(load_yaml(PARAMS_FILE)))

    @cached_property
    def content(self) -> str:
        """A hash of the parameters and the code; the same in the workspace and when committed."""
        if self.revision:
            listed = git("ls-tree", "-r", self.revision, "--", *CODE, check=False).splitlines()
            entries = (line.split("\t") for line in listed)  # mode, type and hash; path
            blobs = [(path, entry.split()[2]) for entry, path in entries]
        else:
            listed = git("ls-files", "--", *CODE, check=False).splitlines()
            paths = [path for path in listed if Path(path).is_file()]
            hashes = git("hash-object", "--", *paths, check=False).split()
            blobs = list(zip(paths, hashes, strict=True))
        code = sorted(blob for blob in blobs if not blob[0].startswith(NOT_DECISIVE))
        text = json.dumps([code, sorted(self.params.items())])
        return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()

    @property
    def identity(self) -> dict[str, str]:
        """Tags that only the parent of this execution in this repository has."""
        here = {"host": platform.node(), "dvc.root": str(root())}
        return {CONTENT: self.content, "dvc.exp": self.experiment, **here}

    def owns(self, run: Run) -> bool:
        """Return whether a run is the parent of this execution in this repository."""
        return bool(self.identity.items() <= run.data.tags.items())

    @property
    def name(self) -> str:
        """The name of the experiment; without one, "repro" and the commit."""
        commit = git("rev-parse", "--short", self.revision or "HEAD", check=False)
        return self.experiment or f"repro {commit}".strip()

    @property
    def is_committed(self) -> bool:
        """Whether dvc.lock, parameters and code are those of a commit, not of an experiment."""
        files = ("dvc.lock", str(PARAMS_FILE), *CODE)
        changed = not self.revision and git("status", "--porcelain", "--", *files, check=False)
        return not (self.experiment or changed)


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


def find_parents(store: Store, pipeline: Pipeline) -> list[Run]:
    """Return the parents with the parameters and the code of an execution, the newest first."""
    return store.find(CONTENT, pipeline.content)


def is_deleted(store: Store, pipeline: Pipeline) -> bool:
    """Return whether a user has deleted this repository's parent of an execution."""
    return any(map(pipeline.owns, store.find(CONTENT, pipeline.content, deleted=True)))


def open_parent(store: Store, pipeline: Pipeline, tags: Mapping[str, str]) -> str:
    """Find or create the parent of a stage that starts; return its id. Its status is RUNNING."""
    with FileLock(root() / ".work" / "parent.lock", timeout=LOCK_TIMEOUT):
        mine = filter(pipeline.owns, find_parents(store, pipeline))
        run = next(mine, None) or create_parent(store, pipeline, pipeline.name, tags)
    store.log_params(run, pipeline.params)
    if run.info.status != "RUNNING":
        store.client.update_run(run.info.run_id, "RUNNING")
    store.log(run.info.run_id, tags={**this_process(), COMPLETE: ""})
    return str(run.info.run_id)


def create_parent(
    store: Store, pipeline: Pipeline, name: str, tags: Mapping[str, str], started: int | None = None
) -> Run:
    """Create the parent of an execution, below the run of its study, if any."""
    study = os.environ.get(STUDY_RUN)
    nested = {PARENT: study} if study else {}
    return store.create_run(name, {**tags, **nested, **pipeline.identity}, started)


def create_study_run(name: str) -> str:
    """Create the run of a study, the parent of its trials; return its id, or "" after a warning."""
    try:
        store = connect()
        run = store.create_run(name, {"study": name})
        store.client.set_terminated(run.info.run_id)
        return str(run.info.run_id)
    except Exception as error:  # each kind of store has its own errors
        click.echo(f"Warning: MLflow has no run of the study ({first_line(error)}).", err=True)
        return ""


def close_parent(store: Store, run_id: str, status: str) -> None:
    """Close the parent, unless a stage that started later uses it or has closed it."""
    run = store.client.get_run(run_id)
    is_mine = this_process().items() <= run.data.tags.items()
    if is_mine or (status != "FINISHED" and not is_running(run)):
        store.client.set_terminated(run_id, status)


def log_results(store: Store, run_id: str, results: Iterable[tuple[StageRun, Results]]) -> bool:
    """Log scores, durations and sample grids that the parent lacks; return if it lacked any."""
    logged = store.client.get_run(run_id).data.metrics
    known = {file.path for file in store.client.list_artifacts(run_id)}
    values: dict[str, float] = {}
    lacked_image = False
    for execution, each in results:
        name = execution.network
        if not execution.stage.startswith("train@"):
            values |= {f"{name}.{key}": score for key, score in each.scores.items()}
            continue
        values[f"{name}.train_seconds"] = seconds = each.values["seconds"]
        samples = large_file(execution)
        if samples and (
            logged.get(f"{name}.train_seconds") != seconds or f"{name}.png" not in known
        ):
            *_, (_, pixels) = read_grids(samples)
            store.client.log_image(run_id, pixels, f"{name}.png")
            lacked_image = True
    durations = [v for key, v in {**logged, **values}.items() if key.endswith(".train_seconds")]
    if durations:
        values["train_seconds"] = round(sum(durations), 1)
    missing = {key: value for key, value in values.items() if logged.get(key) != value}
    store.log_values(run_id, missing)
    return lacked_image or bool(missing)
