"""Experiments that DVC runs elsewhere than in the workspace, on the real tools."""

from __future__ import annotations

import time
from pathlib import Path

import mlflow
import pytest

from tests.conftest import make_repository, run


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh repository: nothing ran, no store."""
    return make_repository(tmp_path_factory.mktemp("experiments"))


def test_a_queue_of_two_at_once_on_a_fresh_store_loses_no_run(repository: Path) -> None:
    """Both make the store, in workspaces that are deleted; runs and pictures are there after."""
    queue = ("dvc", "exp", "run", "--queue", "-S", "augment.contrast=0.3,0.4", "augment")
    run(*queue, cwd=repository)
    run("dvc", "queue", "start", "-j", "2", cwd=repository)
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline:
        status = run("dvc", "queue", "status", cwd=repository).stdout
        if "Running" not in status and "Queued" not in status:
            break
        time.sleep(1)
    logs = run("dvc", "queue", "logs", "0", cwd=repository, check=False).stdout
    assert status.count("Success") == 2, status + logs

    client = mlflow.MlflowClient(f"sqlite:///{repository / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("pokegan")
    assert experiment.artifact_location == (repository / "mlartifacts").as_uri()
    runs = client.search_runs([experiment.experiment_id], "tags.`dvc.stage` = 'augment'")
    assert {each.data.params["augment.contrast"] for each in runs} == {"0.3", "0.4"}
    assert {each.info.status for each in runs} == {"FINISHED"}
    names = run("dvc", "exp", "list", "--name-only", cwd=repository).stdout.split()
    assert {each.info.run_name for each in runs} == {f"augment · {name}" for name in names}
    for each in runs:
        (picture,) = (a for a in client.list_artifacts(each.info.run_id) if a.path.endswith("png"))
        assert Path(client.download_artifacts(each.info.run_id, picture.path)).stat().st_size > 500


def test_an_experiment_in_a_temporary_workspace_is_in_the_store(repository: Path) -> None:
    run("dvc", "exp", "run", "--temp", "-S", "augment.contrast=0.5", "augment", cwd=repository)
    client = mlflow.MlflowClient(f"sqlite:///{repository / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("pokegan")
    runs = client.search_runs([experiment.experiment_id], "params.`augment.contrast` = '0.5'")
    assert [each.info.status for each in runs] == ["FINISHED"]
    assert not list(repository.glob(".dvc/tmp/exps/**/mlflow.db"))
