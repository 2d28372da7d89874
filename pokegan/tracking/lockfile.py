"""Identify the stage execution that a run belongs to: by its parameters, code and data.

dvc.lock records the last execution of each stage, also of a stage that DVC restored from its cache
or that came with a clone. The fingerprint of an execution is the same before it starts and in
dvc.lock, so it shows whether MLflow has a run of it.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pokegan.core.errors import PipelineError
from pokegan.core.params import flatten
from pokegan.core.provenance import git, root

if TYPE_CHECKING:
    from dvc.output import Output
    from dvc.stage import PipelineStage

# refs/exps/<first two digits of the baseline>/<the other digits>/<name>
EXPERIMENT = re.compile(r"refs/exps/([0-9a-f]{2})/([0-9a-f]{38})/([^:]+)")


@dataclass(frozen=True)
class StageRun:
    """One execution of a stage."""

    stage: str  # name in DVC, such as "train@dcgan819"
    params: Mapping[str, Any]  # "section.key" → value
    inputs: Mapping[str, str] = field(default_factory=dict)  # path of code or data → md5
    outputs: tuple[str, ...] = ()  # paths
    # What DVC has recorded, by path: inputs, and the outputs of a finished execution.
    recorded: Mapping[str, Output] = field(default_factory=dict)

    @property
    def fingerprint(self) -> str:
        """The same for the same stage, parameters, code and data."""
        params = [
            # dvc.lock rounds the last digits of a number.
            (key, f"{value:.12g}" if isinstance(value, float) else value)
            for key, value in sorted(self.params.items())
        ]
        content = [self.stage, sorted(self.inputs.items()), params]
        return hashlib.md5(json.dumps(content).encode(), usedforsecurity=False).hexdigest()

    @property
    def data_sets(self) -> dict[str, str]:
        """The inputs in data/."""
        return {path: md5 for path, md5 in self.inputs.items() if path.startswith("data/")}

    def intact(self, path: str) -> Path | None:
        """Return an input or output if it exists and is unchanged since DVC recorded it."""
        if path in self.recorded:
            return None if self.recorded[path].workspace_status() else Path(path)
        return Path(path) if Path(path).exists() else None


def upcoming(stage: str, params: Mapping[str, Any]) -> StageRun:
    """Return the execution of a stage that is about to start.

    A stage that dvc.yaml does not declare has the given parameters and no inputs.
    """
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with Repo() as repo:
            declared = repo.stage.load_one(name=stage)
            for dependency in declared.deps:
                dependency.hash_info = dependency.get_hash()
            return _stage_run(declared, with_outputs=False)
    except (DvcException, OSError):
        return StageRun(stage, params)


def finished() -> list[StageRun]:
    """Return the last execution of each stage of dvc.yaml, as dvc.lock records it.

    Raises:
        PipelineError: dvc.yaml or dvc.lock is broken.
    """
    from dvc.exceptions import DvcException, NotDvcRepoError
    from dvc.repo import Repo
    from dvc.stage import PipelineStage

    try:
        with Repo() as repo:
            stages = [each for each in repo.index.stages if isinstance(each, PipelineStage)]
    except NotDvcRepoError:
        return []
    except DvcException as error:
        raise PipelineError(f"DVC cannot read the pipeline: {error}.") from error
    return [
        _stage_run(stage, with_outputs=True)
        for stage in stages
        if all(each.hash_info for each in [*stage.deps, *stage.outs])
    ]


def _stage_run(stage: PipelineStage, with_outputs: bool) -> StageRun:
    params: dict[str, Any] = {}
    for each in stage.params:
        params |= dict(flatten(each.hash_info.value))
    inputs = {each.def_path: each for each in stage.deps if each not in stage.params}
    outputs = {each.def_path: each for each in stage.outs}
    return StageRun(
        stage.addressing,
        params,
        {path: str(each.hash_info.value) for path, each in inputs.items()},
        tuple(outputs),
        {**inputs, **(outputs if with_outputs else {})},
    )


def experiment_of(execution: StageRun) -> str | None:
    """Return the name of the oldest DVC experiment with this execution; None if a commit holds it.

    The name of an experiment that has not ended yet comes from its environment.
    """
    if not execution.outputs:
        return None
    md5 = str(execution.recorded[execution.outputs[0]].hash_info.value)
    git_here = partial(git, folder=root(), check=False)
    refs = git_here("for-each-ref", "--sort=committerdate", "--format=%(refname)", "refs/exps")
    found = {ref: match for ref in refs.split() if (match := EXPERIMENT.fullmatch(ref))}
    baselines = {ref: match[1] + match[2] for ref, match in found.items()}
    now = os.environ.get("DVC_EXP_BASELINE_REV", "HEAD")
    listed = git_here("grep", "-lF", md5, *found, *baselines.values(), now, "--", "dvc.lock")
    holding = {line.removesuffix(":dvc.lock") for line in listed.split()}
    for ref, match in found.items():
        if ref in holding and baselines[ref] not in holding:
            return match[3]
    return None if now in holding else os.environ.get("DVC_EXP_NAME")
