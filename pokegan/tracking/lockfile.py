"""Which execution of a stage a run tells of: by its parameters, its code and its data.

dvc.lock knows the last execution of each stage, also of one that DVC restored from its cache or
that came with a clone. The same fingerprint, taken when a stage begins, tells if MLflow has it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from pokegan.core.params import flatten


@dataclass(frozen=True)
class StageRun:
    """PARAMS as ``section.key`` → value; INPUTS (code and data) and OUTPUTS as path → md5."""

    stage: str
    params: Mapping[str, Any]
    inputs: dict[str, str]
    outputs: dict[str, str]

    @property
    def fingerprint(self) -> str:
        """The same for the same stage, parameters, code and data."""
        params = sorted((key, _plain(value)) for key, value in self.params.items())
        told = [self.stage, sorted(self.inputs.items()), params]
        return hashlib.md5(json.dumps(told).encode(), usedforsecurity=False).hexdigest()

    @property
    def code(self) -> dict[str, str]:
        """Those of its inputs that are code."""
        return {path: md5 for path, md5 in self.inputs.items() if _is_code(path)}

    @property
    def data_sets(self) -> dict[str, str]:
        """Those of its inputs that lie in data/."""
        return {path: md5 for path, md5 in self.inputs.items() if path.startswith("data/")}

    def intact_folder(self, path: str) -> Path | None:
        """The input PATH, a folder, if it holds what was read from it."""
        folder = Path(path)
        return folder if folder.is_dir() and _md5_of(folder) == self.inputs.get(path) else None

    def intact(self, name: str) -> Path | None:
        """The output that is called NAME, if it lies there as it was made."""
        for path, md5 in self.outputs.items():
            if path.endswith(f"/{name}") and Path(path).is_file() and _md5(Path(path)) == md5:
                return Path(path)
        return None


def executions() -> list[StageRun]:
    """The last execution of each stage, by the dvc.lock in the working directory."""
    locked = _load("dvc.lock")
    data = _outputs(locked)
    found = []
    for stage, entry in locked.items():
        params = dict(flatten(entry.get("params", {}).get("params.yaml", {})))
        inputs = {dep["path"]: dep.get("md5") for dep in entry.get("deps", ())}
        inputs = {path: md5 for path, md5 in inputs.items() if _is_code(path) or path in data}
        outputs = {out["path"]: out.get("md5") for out in entry.get("outs", ())}
        found.append(StageRun(stage, params, inputs, outputs))
    return found


def upcoming(stage: str, params: Mapping[str, Any]) -> StageRun:
    """Of STAGE, which is about to be executed with PARAMS; no inputs if dvc.yaml has no such."""
    name, _, item = stage.partition("@")
    declared = _load("dvc.yaml").get(name, {})
    paths = declared.get("do", declared).get("deps", ())
    data = _outputs(_load("dvc.lock"))
    inputs = {
        path: _md5(Path(path)) if _is_code(path) else data[path]
        for path in _filled_in([path.replace("${item}", item) for path in paths])
        if _is_code(path) or path in data
    }
    return StageRun(stage, params, inputs, {})


def _filled_in(paths: list[str]) -> list[str]:
    """PATHS with the values of params.yaml in place of their ${…}."""
    if not any("${" in path for path in paths):
        return paths
    from omegaconf import OmegaConf

    params = YAML(typ="safe").load(Path("params.yaml").read_text(encoding="utf-8"))
    told: list[str] = list(OmegaConf.create({**params, "paths": paths}).paths)
    return told


def _plain(value: Any) -> Any:
    # 15 in params.yaml is 15.0 once it has been checked; dvc.lock rounds the last digits.
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(f"{value:.12g}")
    return value


def _load(file: str) -> dict[str, Any]:
    """The stages in FILE, none if it is not there."""
    path = Path(file)
    content = YAML(typ="safe").load(path.read_text(encoding="utf-8")) if path.is_file() else None
    stages: dict[str, Any] = (content or {}).get("stages") or {}
    return stages


def _outputs(locked: Mapping[str, Any]) -> dict[str, str]:
    return {
        out["path"]: out["md5"]
        for entry in locked.values()
        for out in entry.get("outs", ())
        if "md5" in out
    }


def _is_code(path: str) -> bool:
    return path.startswith("stages/")


def _md5(file: Path) -> str:
    # DVC's own; it guards against accidents.
    return hashlib.md5(file.read_bytes(), usedforsecurity=False).hexdigest()


def _md5_of(folder: Path) -> str:
    # DVC's own for a folder: of the list of its files, sorted.
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    told = [{"md5": _md5(f), "relpath": f.relative_to(folder).as_posix()} for f in files]
    text = json.dumps(told, sort_keys=True).encode()
    return hashlib.md5(text, usedforsecurity=False).hexdigest() + ".dir"
