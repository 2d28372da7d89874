"""Experiments that DVC runs elsewhere than in the workspace, on the real tools."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import mlflow
import pandas as pd
import psutil
import pytest

from tests.conftest import make_repository, run, set_params, start_process


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh repository: nothing ran, no store."""
    return make_repository(tmp_path_factory.mktemp("experiments"))


def test_a_grid_two_at_once_on_a_fresh_store_loses_no_run(repository: Path) -> None:
    """Both workers make the store, in workspaces that are deleted; runs and pictures are there after."""
    grid = ("-S", "lr=0.0001,0.0002", "-S", "dcgan819.batch_size=8,12")
    run("dvc", "exp", "run", "--queue", *grid, "train_dcgan819", cwd=repository)
    run("dvc", "queue", "start", "-j", "2", cwd=repository)
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline:
        status = run("dvc", "queue", "status", cwd=repository).stdout
        if "Running" not in status and "Queued" not in status:
            break
        time.sleep(1)
    logs = run("dvc", "queue", "logs", "0", cwd=repository, check=False).stdout
    assert status.count("Success") == 4, status + logs

    client = mlflow.MlflowClient(f"sqlite:///{repository / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("pokegan")
    assert experiment.artifact_location == (repository / "mlartifacts").as_uri()
    runs = training_runs(repository)
    asked = {(each.data.params["lr"], each.data.params["dcgan819.batch_size"]) for each in runs}
    assert asked == {(lr, size) for lr in ("0.0001", "0.0002") for size in ("8", "12")}
    assert {each.info.status for each in runs} == {"FINISHED"}
    names = run("dvc", "exp", "list", "--name-only", cwd=repository).stdout.split()
    assert sorted(each.info.run_name for each in runs) == sorted(
        f"train_dcgan819 · {name}" for name in names
    )
    for each in runs:
        pictures = client.list_artifacts(each.info.run_id, "images")
        assert len([a for a in pictures if a.path.endswith(".png")]) == 2
        found = client.download_artifacts(each.info.run_id, pictures[0].path)
        assert Path(found).stat().st_size > 500


def test_an_experiment_in_a_temporary_workspace_is_in_the_store(repository: Path) -> None:
    run("dvc", "exp", "run", "--temp", "-S", "augment.contrast=0.5", "augment", cwd=repository)
    client = mlflow.MlflowClient(f"sqlite:///{repository / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("pokegan")
    runs = client.search_runs([experiment.experiment_id], "params.`augment.contrast` = '0.5'")
    assert [each.info.status for each in runs] == ["FINISHED"]
    assert not list(repository.glob(".dvc/tmp/exps/**/mlflow.db"))


def training_runs(repository: Path) -> list[mlflow.entities.Run]:
    client = mlflow.MlflowClient(f"sqlite:///{repository / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("pokegan")
    of = "tags.`dvc.stage` = 'train_dcgan819'"
    return list(client.search_runs([experiment.experiment_id], of))


def test_the_end_of_dvc_is_the_end_of_its_stage(repository: Path) -> None:
    """SIGTERM or SIGKILL of dvc alone: no orphan, no stale lock, and the training goes on."""
    set_params(repository, {"dcgan819.epochs": 60})
    history = repository / "reports/dcgan819/history.csv"
    rows = 0
    for kill in (signal.SIGTERM, signal.SIGKILL):
        dvc = start_process(repository, "-m", "dvc", "repro", "train_dcgan819")
        deadline = time.monotonic() + 120
        while not history.is_file() or len(history.read_text().splitlines()) < rows + 3:
            assert dvc.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        stages = psutil.Process(dvc.pid).children(recursive=True)
        assert stages
        dvc.send_signal(kill)
        assert psutil.wait_procs(stages, timeout=60)[1] == []
        dvc.communicate(timeout=60)
        rows = len(history.read_text().splitlines())
        training = training_runs(repository)[0]
        assert training.info.status == "KILLED"
    done = run("dvc", "repro", "train_dcgan819", cwd=repository)
    assert "dcgan819: resumes after step" in done.stderr
    same = [r for r in training_runs(repository) if r.data.params["dcgan819.epochs"] == "60.0"]
    (training,) = same
    assert training.info.status == "FINISHED"
    told = pd.read_csv(history)["step"].tolist()
    client = mlflow.MlflowClient(f"sqlite:///{repository / 'mlflow.db'}")
    points = client.get_metric_history(training.info.run_id, "generator_loss")
    assert sorted(point.step for point in points) == told
    assert told[-1] == 600
