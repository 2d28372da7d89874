"""Runs are nested below one parent per execution of the pipeline: small stages, real DVC and MLflow.

The tests stand in the order of the repository's life and share it.
"""

import shutil
from pathlib import Path

import mlflow
import pytest

from tests.conftest import ROOT, commit, run, start_process
from tests.tracking.toy import (
    EVALUATE,
    STAGES,
    TRAIN,
    children,
    make_toy,
    parents,
    points,
    runs,
    store,
)

pytestmark = pytest.mark.slow

RESULTS = {"tiny.fd_effnet_lite0": 2.5, "tiny.train_seconds": 90.0, "train_seconds": 90.0}
ALL = {
    "seed": "1",
    "lr": "1e-05",
    "tiny.epochs": "8.0",
    "tiny.ema": "None",
    "tiny.layers": "[1, 2]",
}


@pytest.fixture(scope="module")
def repository(empty_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository in which every stage has run."""
    folder = make_toy(tmp_path_factory.mktemp("parents") / "here")
    shutil.copy(empty_store, folder)
    run("dvc", "repro", cwd=folder, PYTHONPATH=str(ROOT))
    commit(folder, "ran")
    return folder


def synchronize(folder: Path, **env: str) -> str:
    program = "from pokegan.cli.sync import sync; sync()"
    return run("python", "-c", program, cwd=folder, PYTHONPATH=str(ROOT), **env).stderr


def clone(repository: Path, folder: Path) -> Path:
    """What git stores, with the experiments."""
    run("git", "clone", "-q", str(repository), str(folder), cwd=repository)
    run("git", "fetch", "-q", "origin", "refs/exps/*:refs/exps/*", cwd=folder)
    return folder


def images(folder: Path, parent: mlflow.entities.Run) -> list[str]:
    client = mlflow.MlflowClient(store(folder))
    return [file.path for file in client.list_artifacts(parent.info.run_id)]


def test_one_run_holds_the_parameters_and_results_of_an_execution(repository: Path) -> None:
    (parent,) = parents(store(repository))
    first = run("git", "rev-parse", "--short", "HEAD^", cwd=repository).stdout.strip()
    assert parent.info.run_name == f"repro {first}"
    assert parent.info.status == "FINISHED"
    assert parent.data.params == ALL
    assert parent.data.metrics == RESULTS
    assert images(repository, parent) == ["tiny.png"]
    assert children(store(repository), parent) == sorted(STAGES)
    (trained,) = runs(store(repository), TRAIN)
    assert points(store(repository), trained)["fd_effnet_lite0"] == [(8, 2.5)]
    assert synchronize(repository) == "MLflow is up to date.\n"  # also after the commit


def test_an_experiment_holds_results_that_it_did_not_compute_again(repository: Path) -> None:
    """The weights are the same, so that DVC skips the evaluation."""
    options = ("-n", "bolder", "-S", "lr=0.00002")
    run("dvc", "exp", "run", *options, cwd=repository, PYTHONPATH=str(ROOT))
    assert "bolder" in synchronize(repository)
    assert synchronize(repository) == "MLflow is up to date.\n"
    _, parent = parents(store(repository))
    assert parent.info.run_name == parent.data.tags["dvc.exp"] == "bolder"
    assert parent.data.params == {**ALL, "lr": "2e-05"}
    assert parent.data.metrics == RESULTS
    assert EVALUATE not in children(store(repository), parent)
    assert len(runs(store(repository), EVALUATE)) == 1


def test_returning_to_an_execution_creates_no_run(repository: Path) -> None:
    before = len(runs(store(repository)))
    run("git", "checkout", "-q", ".", cwd=repository)
    done = run("dvc", "repro", cwd=repository, PYTHONPATH=str(ROOT))
    assert "Running stage" not in done.stdout
    assert synchronize(repository) == "MLflow is up to date.\n"
    assert len(parents(store(repository))) == 2
    assert len(runs(store(repository))) == before


def test_edited_parameters_that_have_not_run_create_no_parent(repository: Path) -> None:
    params = repository / "params.yaml"
    params.write_text(params.read_text().replace("1.0e-05", "3.0e-05"))
    assert synchronize(repository) == "MLflow is up to date.\n"
    run("git", "checkout", "-q", ".", cwd=repository)


def test_committed_results_and_experiments_of_a_clone(repository: Path, tmp_path: Path) -> None:
    here = clone(repository, tmp_path / "clone")
    run("dvc", "cache", "dir", "--local", str(repository / ".dvc/cache"), cwd=here)
    completed = synchronize(here)
    assert "committed results" in completed
    assert "bolder" in completed
    assert synchronize(here) == "MLflow is up to date.\n"
    found = {each.info.run_name: each for each in parents(store(here))}
    assert found.keys() == {"committed results", "bolder"}
    for name, lr in (("committed results", "1e-05"), ("bolder", "2e-05")):
        assert found[name].info.status == "FINISHED"
        assert found[name].data.params == {**ALL, "lr": lr}
        assert found[name].data.metrics == RESULTS
        assert found[name].info.end_time - found[name].info.start_time == 90_000
    assert images(here, found["bolder"]) == ["tiny.png"]  # from DVC's cache
    assert children(store(here), found["committed results"]) == sorted(STAGES)
    assert children(store(here), found["bolder"]) == [TRAIN]
    # The same for results that were committed before the parameters were edited.
    for name in ("mlflow.db", "mlartifacts"):
        path = here / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    params = here / "params.yaml"
    params.write_text(params.read_text().replace("1.0e-05", "3.0e-05"))
    synchronize(here)
    names = {each.info.run_name for each in parents(store(here))}
    assert names == {"committed results", "bolder"}


def test_two_clones_with_one_store_have_their_own_parents(
    repository: Path, empty_store: Path, tmp_path: Path
) -> None:
    """Nothing that was committed appears beside what they run."""
    shutil.copy(empty_store, tmp_path)
    shared = {"MLFLOW_TRACKING_URI": store(tmp_path), "PYTHONPATH": str(ROOT)}
    clones = [clone(repository, tmp_path / name) for name in ("first", "second")]
    started = [start_process(each, "-m", "dvc", "repro", EVALUATE, **shared) for each in clones]
    for process in started:
        assert process.wait(timeout=300) == 0, process.communicate()
    for each in clones:
        synchronize(each, MLFLOW_TRACKING_URI=store(tmp_path))
    found = [each for each in parents(store(tmp_path)) if not each.data.tags["dvc.exp"]]
    assert {each.data.tags["dvc.root"] for each in found} == {str(each) for each in clones}
    for each in found:
        assert each.info.status == "FINISHED"
        assert each.data.metrics == RESULTS
        assert {"download", TRAIN} <= {*children(store(tmp_path), each)}
    # DVC skips it in both: its inputs are the same, and the scores are in git.
    assert len(runs(store(tmp_path), EVALUATE)) == 1


def test_a_stage_that_fails_fails_its_execution(repository: Path) -> None:
    (repository / "generator").rename(repository / "away")
    options = ("-n", "broken", "-S", "lr=0.5")
    done = run("dvc", "exp", "run", *options, cwd=repository, check=False, PYTHONPATH=str(ROOT))
    assert done.returncode != 0
    assert parents(store(repository))[-1].info.status == "FAILED"
    assert parents(store(repository))[-1].info.run_name == "broken"
