"""MLflow is unreachable, hangs or is locked: with a real server, a real database and DVC."""

import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from itertools import chain
from pathlib import Path

import mlflow
import numpy as np
import pytest
from click.testing import CliRunner

from pokegan.cli.sync import sync
from pokegan.tracking import run as tracking
from pokegan.tracking.lockfile import StageRun
from tests.conftest import ROOT, environment, run, start_process
from tests.tracking.toy import (
    TRAIN,
    assert_training_is_complete,
    make_toy,
    parents,
    points,
    runs,
    store,
)

pytestmark = pytest.mark.slow


class Server:
    """A real `mlflow server` on the loopback interface, which can be killed and started again."""

    def __init__(self, folder: Path) -> None:
        with closing(socket.socket()) as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        self.uri = f"http://127.0.0.1:{self._port}"
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        options = {
            "--port": str(self._port),
            "--workers": "1",
            "--backend-store-uri": f"sqlite:///{self._folder / 'server.db'}",
            "--artifacts-destination": str(self._folder / "artifacts"),
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", "mlflow", "server", *chain.from_iterable(options.items())],
            env=environment(MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false"),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        deadline = time.monotonic() + 180
        while True:
            try:  # the first request creates the database
                first = f"{self.uri}/api/2.0/mlflow/experiments/get?experiment_id=0"
                urllib.request.urlopen(first, timeout=60).close()
                return
            except OSError:
                assert self._process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.2)

    def send(self, number: int) -> None:
        """Send a signal to the server and its workers."""
        if self._process:
            os.killpg(self._process.pid, number)

    def kill(self) -> None:
        self.send(signal.SIGKILL)
        if self._process:
            self._process.wait()
        self._process = None


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("server"))
    yield server
    server.kill()


@pytest.fixture(scope="module")
def toy(empty_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository whose first stage has run, in another store."""
    folder = make_toy(tmp_path_factory.mktemp("outages") / "toy")
    shutil.copy(empty_store, folder.parent)
    elsewhere = {"MLFLOW_TRACKING_URI": store(folder.parent)}
    run("dvc", "repro", "download", cwd=folder, PYTHONPATH=str(ROOT), **elsewhere)
    return folder


@pytest.fixture
def repository(toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository in which the training has not run, as working directory."""
    folder = tmp_path / "repository"
    shutil.copytree(toy, folder)
    monkeypatch.chdir(folder)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    return folder


def start(repository: Path, uri: str | None = None) -> subprocess.Popen[str]:
    where = {"MLFLOW_TRACKING_URI": uri} if uri else {}
    return start_process(repository, "-m", "dvc", "repro", TRAIN, PYTHONPATH=str(ROOT), **where)


def wait_for(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdout is not None
    for printed in process.stdout:
        if printed == f"{line}\n":
            return
    raise AssertionError(process.stderr.read() if process.stderr else "")


def warnings_of(process: subprocess.Popen[str]) -> int:
    """Wait for the end of a stage that must succeed, and count its warnings."""
    _, errors = process.communicate(timeout=180)
    assert process.returncode == 0, errors
    assert "Traceback" not in errors
    assert errors.count("Warning: ") == errors.count("Warning: MLflow cannot be reached"), errors
    return errors.count("Warning: ")


def synchronize(monkeypatch: pytest.MonkeyPatch, uri: str | None = None) -> str:
    with monkeypatch.context() as patch:
        if uri:
            patch.setenv("MLFLOW_TRACKING_URI", uri)
        result = CliRunner().invoke(sync)
    assert result.exit_code == 0, result.output
    return result.output


def test_a_server_killed_during_a_training_gets_the_rest_when_the_stage_ends_or_by_sync(
    repository: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    (repository / "wait4").touch()
    server.start()
    training = start(repository, server.uri)
    wait_for(training, "3")
    server.kill()
    (repository / "wait4").unlink()
    assert warnings_of(training) == 1
    assert not (repository / "mlflow.db").exists()

    server.start()
    (open_run,) = runs(server.uri, TRAIN)
    assert open_run.info.status == "RUNNING"
    assert [step for step, _ in points(server.uri, open_run)["epoch"]] == [1, 2, 3]
    assert TRAIN in synchronize(monkeypatch, server.uri)
    trained = assert_training_is_complete(server.uri)
    assert "up to date" in synchronize(monkeypatch, server.uri)
    (parent,) = parents(server.uri)
    assert parent.info.status == "FINISHED"
    assert parent.data.metrics == {"tiny.train_seconds": 90, "train_seconds": 90}
    assert trained.data.tags["mlflow.parentRunId"] == parent.info.run_id


def test_a_server_that_comes_back_before_the_stage_ends_gets_everything(
    repository: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run is created at the end: the pause after the first error outlasts the stage."""
    (repository / "wait8").touch()
    training = start(repository, server.uri)
    wait_for(training, "7")
    server.start()
    (repository / "wait8").unlink()
    assert warnings_of(training) == 1
    assert_training_is_complete(server.uri)
    assert parents(server.uri)[0].info.status == "FINISHED"
    assert TRAIN not in synchronize(monkeypatch, server.uri)


def test_a_hanging_server_costs_one_short_wait_and_is_tried_again_after_a_pause(
    workspace: Path,
    server: Server,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    monkeypatch.setattr(tracking, "PAUSE", 3.0)
    server.start()
    stage = tracking.Run(StageRun("a_stage", {"seed": 1}))
    stage.start()
    stage.log_metrics({"epoch": 1}, step=1)
    server.send(signal.SIGSTOP)
    began = time.monotonic()
    stage.log_metrics({"epoch": 2}, step=2)
    assert 4 < time.monotonic() - began < 8
    began = time.monotonic()
    for step in range(3, 100):
        stage.log_metrics({"epoch": step}, step=step)
        stage.log_image("samples", np.zeros((4, 4, 3), np.uint8), step=step)
    assert time.monotonic() - began < 1
    server.send(signal.SIGCONT)
    time.sleep(3)
    stage.log_metrics({"epoch": 100}, step=100)
    stage.end("FINISHED")
    (found,) = runs(server.uri, "a_stage")
    assert found.info.status == "FINISHED"
    steps = [step for step, _ in points(server.uri, found)["epoch"]]
    assert steps in ([1, 100], [1, 2, 100])  # the server may have read the second request
    assert capsys.readouterr().err.count("Warning") == 1


def test_a_server_that_hangs_from_the_start_costs_two_short_waits(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(socket.socket()) as silent:  # accepts connections and never answers
        silent.bind(("127.0.0.1", 0))
        silent.listen(64)
        uri = f"http://127.0.0.1:{silent.getsockname()[1]}"
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        stage = tracking.Run(StageRun("a_stage", {"seed": 1}))
        began = time.monotonic()
        stage.start()
        for step in range(100):
            stage.log_metrics({"epoch": step}, step=step)
        stage.end("FINISHED")
        assert 8 < time.monotonic() - began < 15
    assert capsys.readouterr().err.count("Warning: MLflow cannot be reached") == 1


def test_a_database_locked_for_longer_than_mlflow_waits_lacks_nothing_at_the_end(
    repository: Path,
) -> None:
    for step in (4, 8):
        (repository / f"wait{step}").touch()
    training = start(repository)
    wait_for(training, "3")
    with closing(sqlite3.connect(repository / "mlflow.db", timeout=30)) as other:
        other.execute("BEGIN EXCLUSIVE")
        (repository / "wait4").unlink()
        wait_for(training, "7")
        other.rollback()
    (repository / "wait8").unlink()
    assert warnings_of(training) == 1
    assert_training_is_complete(store(repository))


def test_a_read_only_database_is_completed_by_sync(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synchronize(monkeypatch)  # creates the database
    training = start(repository, f"sqlite:///file:{repository / 'mlflow.db'}?mode=ro&uri=true")
    assert warnings_of(training) == 1
    assert TRAIN in synchronize(monkeypatch)
    assert_training_is_complete(store(repository))
    assert mlflow.MlflowClient(store(repository)).search_experiments()
