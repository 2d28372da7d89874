"""What many tests share: a temporary repository with tiny parameters, and the real tools."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Tests run side by side: the threads of several would wait for each other, spinning.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pytest
from click.testing import CliRunner, Result
from ruamel.yaml import YAML

ROOT = Path(__file__).parent.parent

# The whole pipeline in seconds. Shrunk here once; tests add what they are about.
TINY = {
    "seed": 1,
    "lr": 0.0002,
    "precision": "fp32",
    "prepare.resolution": 32,
    "pokemon819.count": 40,
    "pokemon14000.count": 72,
    "evaluate.pictures": 8,
    "evaluate.draws": 2,
    **{
        f"{network}.{key}": value
        for network in ("dcgan819", "dcgan14000", "aegan")
        for key, value in {
            "epochs": 1,
            "batch_size": 12,
            "latent_dim": 8,
            "width": 4,
            "snapshots": 2,
        }.items()
    },
}


NO_GIT_SETTINGS = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}


def set_params(folder: Path, values: dict[str, Any]) -> None:
    """Change params.yaml in FOLDER: dotted keys → values."""
    yaml = YAML()
    params = yaml.load(folder / "params.yaml")
    for key, value in values.items():
        *sections, last = key.split(".")
        section = params
        for name in sections:
            section = section[name]
        section[last] = value
    yaml.dump(params, folder / "params.yaml")


def environment(**more: str) -> dict[str, str]:
    """This environment's tools first on the path, no settings of a user's."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("DVC_", "MLFLOW_", "GIT_"))}
    return {**clean, "PATH": path, **NO_GIT_SETTINGS, **more}


def run(*command: str, cwd: Path, check: bool = True, **env: str) -> subprocess.CompletedProcess:
    """Run COMMAND in CWD with this environment's tools first on the path."""
    result = subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, env=environment(**env)
    )
    if check and result.returncode != 0:
        raise AssertionError(f"{' '.join(command)} failed:\n{result.stdout}\n{result.stderr}")
    return result


def start_process(folder: Path, *arguments: str, **env: str) -> subprocess.Popen[str]:
    """Python with ARGUMENTS in FOLDER, under way."""
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(**env),
    )


def make_repository(folder: Path, **params: Any) -> Path:
    """The project's files as they are now, in a git repository of their own at FOLDER."""
    listed = run("git", "ls-files", "-co", "--exclude-standard", cwd=ROOT).stdout.split("\n")
    for name in filter(None, listed):
        if (ROOT / name).is_file() and name != "dvc.lock" and not name.startswith("reports/"):
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target)
    set_params(folder, {**TINY, **params})
    run("git", "init", "-q", "-b", "main", cwd=folder)
    # `dvc exp run` asks for a name, and a bare machine has none.
    run("git", "config", "user.name", "t", cwd=folder)
    run("git", "config", "user.email", "t@example.org", cwd=folder)
    commit(folder, "start")
    return folder


def commit(folder: Path, message: str) -> None:
    """Commit everything in FOLDER."""
    run("git", "add", "-A", cwd=folder)
    author = ("-c", "user.name=t", "-c", "user.email=t@example.org")
    run("git", *author, "commit", "-q", "--allow-empty", "-m", message, cwd=folder)


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory with tiny params.yaml, for stages that are called directly."""
    shutil.copy(ROOT / "params.yaml", tmp_path)
    set_params(tmp_path, TINY)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return tmp_path


@pytest.fixture
def untracked(monkeypatch: pytest.MonkeyPatch) -> None:
    """No MLflow: for tests of what a stage does to files."""
    from stages import tracking

    monkeypatch.setattr(tracking.Run, "begin", lambda self, *_: None)


Stage = Callable[..., Result]


@pytest.fixture
def stage(workspace: Path, untracked: None) -> Stage:
    """Call a stage's command in the workspace: stage("augment", "a.npy", …) → click's result."""
    from importlib import import_module

    def call(name: str, *arguments: str) -> Result:
        command = getattr(import_module(f"stages.{name}"), name)
        return CliRunner().invoke(command, list(arguments))

    return call


def assert_one_sentence(result: Result, *words: str) -> None:
    """A user's fault: exit code 1, one line that begins with Error and holds WORDS."""
    assert result.exit_code == 1, (result.output, result.exception)
    errors = [line for line in result.output.splitlines() if line.startswith("Error: ")]
    assert len(errors) == 1, result.output
    assert "Traceback" not in result.output
    for word in words:
        assert word in errors[0]


@pytest.fixture
def drawings() -> np.ndarray:
    """48 pictures (32, 32, 3) uint8: a disc of its own colour and place on white."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:32, :32]
    pictures = np.full((48, 32, 32, 3), 255, np.uint8)
    for picture in pictures:
        centre, radius = rng.integers(10, 22, 2), rng.integers(4, 10)
        disc = (y - centre[0]) ** 2 + (x - centre[1]) ** 2 < radius**2
        picture[disc] = rng.integers(0, 200, 3)
    return pictures


# The longest files, in this order; one that begins last would run alone on one of two cores.
LONGEST = ("test_pipeline", "test_parallel", "test_restoring", "test_processes", "test_train")
LONGEST += ("test_experiments", "test_study", "test_pictures", "test_evaluate", "test_npm")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the longest files begin first."""
    places = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path.stem, len(LONGEST)))
