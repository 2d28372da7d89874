"""Shared fixtures: a temporary repository with tiny parameters, and the real tools."""

import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Two test processes with two threads each spin against each other on two cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pytest
import torch
import yaml
from click.testing import CliRunner, Result

from pokegan.core.params import load_yaml, read_networks
from pokegan.core.schema import Augmentation

ROOT = Path(__file__).parent.parent

NETWORKS = read_networks(ROOT / "dvc.yaml")
TINY_NETWORK = {"epochs": 1, "batch_size": 12, "latent_dim": 8, "width": 4, "snapshots": 2}
TINY_FEATURES = {"feature_resolution": 32, "feature_channels": 4, "width_discriminator": 8}


def tiny_network(name: str) -> dict[str, Any]:
    """Parameters that make a network small and its training short."""
    return TINY_NETWORK | (TINY_FEATURES if NETWORKS[name].gan == "projected" else {})


# The whole pipeline in seconds; tests add the parameters that they are about.
TINY = {
    "seed": 1,
    "lr": 0.0002,
    "precision": "fp32",
    "prepare.resolution": 32,
    "pokemon819.count": 40,
    "pokemon14000.count": 72,
    "evaluate.encoders": ["effnet_lite0"],
    "evaluate.pictures": 8,
    "evaluate.draws": 2,
    **{f"{name}.{key}": value for name in NETWORKS for key, value in tiny_network(name).items()},
}
# Strengths of the augmentation in its paper, but for the cutout.
STRENGTHS = {
    "translation": 0.125,
    "cutout": 0.2,
    "brightness": 0.5,
    "saturation": 1.0,
    "contrast": 0.5,
}
COLOR = ("brightness", "saturation", "contrast")


def augmentation(*kinds: str, probability: float = 1.0) -> Augmentation:
    """Parameters of some kinds of augmentation, with their usual strengths."""
    strengths = {kind: value if kind in kinds else 0.0 for kind, value in STRENGTHS.items()}
    return Augmentation(probability=probability, **strengths)


NO_GIT_SETTINGS = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}


@pytest.fixture(autouse=True)
def _seed() -> None:
    """Draw the same random numbers in each run, whatever tests ran before."""
    torch.manual_seed(0)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start with the files that hold the most slow tests, so that no worker ends with one."""
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: slow[item.path], reverse=True)


def set_params(folder: Path, values: dict[str, Any]) -> None:
    """Change params.yaml in a folder: dotted key → value."""
    params = load_yaml(folder / "params.yaml")
    for key, value in values.items():
        *sections, last = key.split(".")
        section = params
        for name in sections:
            section = section[name]
        section[last] = value
    text = yaml.safe_dump(params, sort_keys=False)
    (folder / "params.yaml").write_text(text, encoding="utf-8")


def environment(**more: str) -> dict[str, str]:
    """Environment variables with this interpreter's tools first on the path and no user settings."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("DVC_", "MLFLOW_", "GIT_"))}
    return {**clean, "PATH": path, **NO_GIT_SETTINGS, **more}


def run(
    *command: str, cwd: Path, check: bool = True, **env: str
) -> subprocess.CompletedProcess[str]:
    """Run a command; raise with its output if it fails and `check` is set."""
    result = subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, env=environment(**env)
    )
    if check and result.returncode != 0:
        raise AssertionError(f"{' '.join(command)} failed:\n{result.stdout}\n{result.stderr}")
    return result


def start_process(folder: Path, *arguments: str, **env: str) -> subprocess.Popen[str]:
    """Start Python in a folder without waiting for it."""
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(**env),
    )


def make_repository(folder: Path, **params: Any) -> Path:
    """Copy the project's files, without results, into a new git repository with tiny parameters."""
    listed = run("git", "ls-files", "-co", "--exclude-standard", cwd=ROOT).stdout.split("\n")
    for name in filter(None, listed):
        if (ROOT / name).is_file() and name != "dvc.lock" and not name.startswith("reports/net"):
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target)
    set_params(folder, {**TINY, **params})
    run("git", "init", "-q", "-b", "main", cwd=folder)
    # `dvc exp run` needs an author.
    run("git", "config", "user.name", "t", cwd=folder)
    run("git", "config", "user.email", "t@example.org", cwd=folder)
    commit(folder, "start")
    return folder


def add_pictures(repository: Path) -> None:
    """Commit outputs of the stages before the trainings on 14,000 pictures; DVC skips them."""
    rng = np.random.default_rng(0)
    (repository / "data/raw/pictures.zip").write_bytes(b"")
    for name in ("pokemon14000.csv", "pokemon14000_left_out.csv"):
        (repository / "data" / name).write_text("")
    pictures = rng.integers(0, 256, (48, 32, 32, 3), dtype=np.uint8)
    np.save(repository / "data/pokemon14000.npy", pictures)
    run("dvc", "commit", "-q", "-f", "download", "prepare@pokemon14000", cwd=repository)
    commit(repository, "pictures")


def commit(folder: Path, message: str) -> None:
    """Commit everything in a folder."""
    run("git", "add", "-A", cwd=folder)
    author = ("-c", "user.name=t", "-c", "user.email=t@example.org")
    run("git", *author, "commit", "-q", "--allow-empty", "-m", message, cwd=folder)


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with dvc.yaml and a tiny params.yaml, for stages that are called directly."""
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    set_params(tmp_path, TINY)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return tmp_path


def disable_tracking(patch: pytest.MonkeyPatch) -> None:
    """Disable MLflow, for tests of a stage's outputs."""
    from pokegan.tracking.run import Run

    patch.setattr(Run, "_call", lambda self, *_: None)


@pytest.fixture
def untracked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Disable MLflow in a test."""
    disable_tracking(monkeypatch)


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MLflow's database without a run, mlflow.db, which takes seconds to create."""
    from pokegan.tracking.store import connect

    home = tmp_path_factory.mktemp("store")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DVC_ROOT", str(home))
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        connect()
    return home / "mlflow.db"


Stage = Callable[..., Result]


@pytest.fixture
def stage(workspace: Path, untracked: None) -> Stage:
    """Call a stage in the workspace: ``stage("augment", "a.npy", …)`` returns click's result."""
    from importlib import import_module

    def call(name: str, *arguments: str) -> Result:
        command = getattr(import_module(f"stages.{name}"), name)
        return CliRunner().invoke(command, list(arguments))

    return call


def succeed(result: Result) -> Result:
    """Check for exit code 0."""
    assert result.exit_code == 0, (result.output, result.exception)
    return result


def assert_one_sentence(result: Result, *words: str) -> None:
    """Check for exit code 1 and a single line that starts with ``Error:`` and holds the words."""
    assert result.exit_code == 1, (result.output, result.exception)
    errors = [line for line in result.output.splitlines() if line.startswith("Error: ")]
    assert len(errors) == 1, result.output
    assert "Traceback" not in result.output
    for word in words:
        assert word in errors[0]


@pytest.fixture
def drawings() -> np.ndarray:
    """48 images (32, 32, 3) uint8: each a disc of random color and position on white."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:32, :32]
    pictures = np.full((48, 32, 32, 3), 255, np.uint8)
    for picture in pictures:
        centre, radius = rng.integers(10, 22, 2), rng.integers(4, 10)
        disc = (y - centre[0]) ** 2 + (x - centre[1]) ** 2 < radius**2
        picture[disc] = rng.integers(0, 200, 3)
    return pictures
