"""Identify the stage execution that a run belongs to: by its parameters, code and data.

dvc.lock records the last execution of each stage, also of a stage that DVC restored from its cache
or that came with a clone. The fingerprint of an execution is the same before it starts and in
dvc.lock, so it shows whether MLflow has a run of it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pokegan.core.errors import PipelineError
from pokegan.core.params import flatten
from pokegan.core.provenance import git

if TYPE_CHECKING:
    from dvc.fs import FileSystem
    from dvc.output import Output
    from dvc.stage import PipelineStage


@dataclass(frozen=True)
class StageRun:
    """One execution of a stage."""

    stage: str  # name in DVC, such as "train@dcgan819"
    params: Mapping[str, Any]  # "section.key" → value
    inputs: Mapping[str, str] = field(default_factory=dict)  # path of code or data → md5
    outputs: tuple[str, ...] = ()  # paths
    # What DVC has recorded, by path: inputs, and the outputs of a finished execution.
    recorded: Mapping[str, Output] = field(default_factory=dict)
    revision: str = ""  # of git, which holds the results; the workspace by default
    is_current: bool = True  # a result of the parameters and code beside dvc.lock

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
    def network(self) -> str:
        """The network that was trained or scored; "" for other stages."""
        family, _, item = self.stage.partition("@")
        return item if family in ("train", "evaluate") else ""

    @property
    def data_sets(self) -> dict[str, str]:
        """The inputs in data/."""
        return {path: md5 for path, md5 in self.inputs.items() if path.startswith("data/")}

    def intact(self, path: str) -> Path | None:
        """Return an input or output if it exists and is unchanged since DVC recorded it.

        A file of another revision than the workspace is returned from DVC's cache; a folder is not.
        """
        if path not in self.recorded:
            return Path(path) if Path(path).exists() else None
        if self.revision:
            cached = Path(self.recorded[path].cache_path)
            return cached if cached.suffix != ".dir" and cached.is_file() else None
        return None if self.recorded[path].workspace_status() else Path(path)

    def text(self, path: str) -> str | None:
        """Return the content of an output that git stores, if it is there and unchanged."""
        if self.revision:
            return git("show", f"{self.revision}:./{path}", check=False) or None
        file = self.intact(path)
        return file.read_text(encoding="utf-8") if file else None


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
            execution = _stage_run(declared)
            return replace(execution, recorded={p: execution.recorded[p] for p in execution.inputs})
    except (DvcException, OSError):
        return StageRun(stage, params)


def finished(revision: str = "") -> list[StageRun]:
    """Return the last execution of each stage, as dvc.lock of a revision or the workspace has it.

    Raises a PipelineError if dvc.yaml or dvc.lock is broken.
    """
    from dvc.exceptions import DvcException, NotDvcRepoError
    from dvc.repo import Repo
    from dvc.stage import PipelineStage

    try:
        with Repo(rev=revision or None) as repo:
            stages = [each for each in repo.index.stages if isinstance(each, PipelineStage)]
            current = _current(stages, repo.fs)
            return [
                replace(_stage_run(stage), revision=revision, is_current=stage.name in current)
                for stage in stages
                if _has_run(stage)
            ]
    except NotDvcRepoError:
        return []
    except DvcException as error:
        raise PipelineError(f"DVC cannot read the pipeline: {error}.") from error


def _has_run(stage: PipelineStage) -> bool:
    return all(each.hash_info for each in [*stage.deps, *stage.outs])


def _current(stages: list[PipelineStage], files: FileSystem) -> set[str]:
    """Return the names of the stages in dvc.lock that a `dvc repro` of the pipeline would skip.

    Only parameters and code are compared with the files, data sets with the outputs recorded for
    the stages that produce them: data may be missing in a clone.
    """
    from dvc.dependency.param import ParamsDependency, read_param_file

    read_params = cache(partial(read_param_file, files))  # DVC reads the file for each stage
    producers = {out.fs_path: (stage, out) for stage in stages for out in stage.outs}
    known: dict[str, bool] = {}

    def is_current(stage: PipelineStage) -> bool:
        if stage.name not in known:
            known[stage.name] = _has_run(stage) and all(map(is_unchanged, stage.deps))
        return known[stage.name]

    def is_unchanged(dependency: Output) -> bool:
        path = dependency.fs_path
        if isinstance(dependency, ParamsDependency) and dependency.exists:
            found = {key: _find(read_params(path), key) for key in dependency.params}
            return bool(found == dependency.hash_info.value)
        if path in producers:
            stage, out = producers[path]
            return is_current(stage) and bool(out.hash_info == dependency.hash_info)
        inside = [stage for each, (stage, _) in producers.items() if each.startswith(f"{path}/")]
        if inside:
            return all(map(is_current, inside))
        return not dependency.workspace_status()

    return {stage.name for stage in stages if is_current(stage)}


def _find(params: Any, key: str) -> Any:
    """Return the value or section at a dotted key; None if there is none."""
    for name in key.split("."):
        params = params.get(name) if isinstance(params, dict) else None
    return params


def _stage_run(stage: PipelineStage) -> StageRun:
    params: dict[str, Any] = {}
    for each in stage.params:
        params |= dict(flatten(each.hash_info.value))
    inputs = {each.def_path: each for each in stage.deps if each not in stage.params}
    outputs = {each.def_path: each for each in stage.outs}
    return StageRun(
        str(stage.name),
        params,
        {path: str(each.hash_info.value) for path, each in inputs.items()},
        tuple(outputs),
        {**inputs, **outputs},
    )
