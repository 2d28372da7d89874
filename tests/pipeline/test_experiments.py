"""Experiments that DVC runs outside of the workspace, and stages whose DVC is stopped."""

import signal
import time
from pathlib import Path

import mlflow
import pandas as pd
import psutil
import pytest
from click.testing import CliRunner

from pokegan.cli.sync import sync
from tests.conftest import add_pictures, make_repository, run, set_params, start_process
from tests.tracking.toy import images, parents, points, runs, store

pytestmark = pytest.mark.slow

TRAIN = "train@dcgan14000"


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository in which nothing has run, without a store."""
    folder = make_repository(tmp_path_factory.mktemp("experiments"))
    add_pictures(folder)
    return folder


def test_two_queue_workers_on_a_new_store_lose_no_run(repository: Path) -> None:
    """Both create the store, from workspaces that DVC deletes; runs and images remain."""
    run("dvc", "exp", "run", "--queue", "-S", "lr=0.0001,0.00001", TRAIN, cwd=repository)
    run("dvc", "queue", "start", "-j", "2", cwd=repository)
    deadline = time.monotonic() + 400
    while time.monotonic() < deadline:
        status = run("dvc", "queue", "status", cwd=repository).stdout
        if "Running" not in status and "Queued" not in status:
            break
        time.sleep(1)
    logs = run("dvc", "queue", "logs", "0", cwd=repository, check=False).stdout
    assert status.count("Success") == 2, status + logs

    client = mlflow.MlflowClient(store(repository))
    experiment = client.get_experiment_by_name("pokegan")
    assert experiment.artifact_location == (repository / "mlartifacts").as_uri()
    found = runs(store(repository), TRAIN)
    assert {each.data.params["lr"] for each in found} == {"0.0001", "1e-05"}
    assert {each.info.status for each in found} == {"FINISHED"}
    names = run("dvc", "exp", "list", "--name-only", cwd=repository).stdout.split()
    ids = {each.info.run_id: each.info.run_name for each in parents(store(repository))}
    assert sorted(ids.values()) == sorted(names)
    assert {each.data.tags["mlflow.parentRunId"] for each in found} == set(ids)
    for each in found:
        assert len(images(store(repository), each)) == 2
        (first, *_) = client.list_artifacts(each.info.run_id, "images")
        assert Path(client.download_artifacts(each.info.run_id, first.path)).stat().st_size > 500
    assert not list(repository.glob(".dvc/tmp/exps/**/mlflow.db"))


def test_a_stage_ends_with_its_dvc_and_resumes_its_run(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After Ctrl-C, or SIGTERM of dvc alone, no process and no lock remains."""
    set_params(repository, {"dcgan14000.epochs": 50, "dcgan14000.batch_size": 4})
    history = repository / "reports/networks/dcgan14000/history.csv"
    rows = 0
    for number in (signal.SIGINT, signal.SIGTERM):
        dvc = start_process(repository, "-m", "dvc", "repro", TRAIN)
        deadline = time.monotonic() + 240
        while not history.is_file() or len(history.read_text().splitlines()) < rows + 3:
            assert dvc.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        stages = psutil.Process(dvc.pid).children(recursive=True)
        assert stages
        dvc.send_signal(number)
        if number == signal.SIGINT:  # a terminal sends it to all processes
            for stage in stages:
                stage.send_signal(number)
        assert psutil.wait_procs(stages, timeout=60)[1] == []
        dvc.communicate(timeout=60)
        rows = len(history.read_text().splitlines())
        assert runs(store(repository), TRAIN)[0].info.status == "KILLED"
    run("dvc", "repro", TRAIN, cwd=repository)
    found = runs(store(repository), TRAIN)
    (training,) = [r for r in found if float(r.data.params["dcgan14000.epochs"]) == 50]
    assert training.info.status == "FINISHED"
    steps = pd.read_csv(history)["step"].tolist()
    logged = points(store(repository), training)["generator_loss"]
    assert [step for step, _ in logged] == steps
    assert steps[-1] == 600
    monkeypatch.chdir(repository)
    assert TRAIN not in CliRunner().invoke(sync).stderr  # the run has its stage's name in DVC
