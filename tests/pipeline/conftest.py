"""What tests of the real DVC graph share: the stages by name, and a record of real imports."""

import json
import re
from pathlib import Path
from typing import Any

from dvc.repo import Repo

from tests.conftest import ROOT

# Facts of one run: machine, time, commit. They differ each time, and so does the page with them.
FACTS = re.compile(r"reports/index\.html|.*/(run\.json|history\.csv)")
TIMES = ["seconds", "pictures_per_second"]

# Python imports this by itself. Each stage writes who imported what at its end.
SPY = """
import atexit, builtins, importlib, json, os, pathlib, sys
imports, plain, by_name = set(), builtins.__import__, importlib.import_module
def note(importer, name):
    if name.split(".")[0] in ("pokegan", "stages"):
        imports.add((importer, name))
def spied(name, globals=None, locals=None, fromlist=(), level=0):
    importer = (globals or {}).get("__name__", "")
    if importer == "__main__" and globals.get("__spec__"):
        importer = globals["__spec__"].name
    note(importer, name)
    for part in fromlist or ():
        note(importer, f"{name}.{part}")
    return plain(name, globals, locals, fromlist, level)
def spied_by_name(name, package=None):
    frame = sys._getframe(1).f_globals
    spec = frame.get("__spec__")
    note(spec.name if spec else frame["__name__"], name)
    return by_name(name, package)
builtins.__import__, importlib.import_module = spied, spied_by_name
def write():
    if "DVC_STAGE" in os.environ and imports:
        pathlib.Path(os.environ["SPY"], os.environ["DVC_STAGE"]).write_text(json.dumps(sorted(imports)))
atexit.register(write)
"""


def stages(repository: Path = ROOT) -> dict[str, Any]:
    """The stages of dvc.yaml as DVC resolves them, by name."""
    with Repo(str(repository)) as repo:
        return {stage.addressing: stage for stage in repo.index.stages}


def words(stage: Any) -> list[str]:
    """The module and the arguments of a stage's command, which may begin with variables."""
    before, _, rest = stage.cmd.partition("python -m ")
    assert all("=" in word for word in before.split())
    return str(rest).split()


def ran(output: str) -> list[str]:
    """The stages that a `dvc repro` ran."""
    return re.findall(r"Running stage '([\w@-]+)'", output)


def imported_units(stage: str, script: str, spy: Path) -> set[str]:
    """The units of dependency that a stage imported: files of stages/, packages of pokegan/.

    What tracking imports counts as tracking. A family is a unit of one file.
    """
    pairs = [tuple(pair) for pair in json.loads((spy / stage).read_text())]
    modules = {name for pair in pairs for name in pair if _file(name)}
    reached, new = set(), {script}
    while new:
        reached |= new
        sources = {m for m in new if _package(m) not in ("core", "tracking", "cli")}
        new = {
            name for importer, name in pairs if importer in sources and name in modules
        } - reached
    return {
        unit
        for m in reached
        if (unit := _unit(m)) and _package(m) not in ("core", "tracking", "cli")
    }


def _file(module: str) -> Path | None:
    path = ROOT / module.replace(".", "/")
    if path.with_suffix(".py").is_file():
        return path.with_suffix(".py")
    return None


def _package(module: str) -> str:
    parts = module.split(".")
    return parts[1] if parts[0] == "pokegan" and len(parts) > 1 else ""


def _unit(module: str) -> str | None:
    package = _package(module)
    if package and package != "gans":
        return f"pokegan/{package}"
    return f"{module.replace('.', '/')}.py"
