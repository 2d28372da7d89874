"""The tracker goes away and comes back: real servers, real locks."""

from __future__ import annotations

import os
import re
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import chain
from pathlib import Path

import mlflow
import pytest

from pokegan.core.params import read_params
from pokegan.tracking.run import track_run
from tests.conftest import ROOT, environment, start_process

STEPS = list(range(1, 9))
# A training that tells; it waits for what the test does before its fourth and its last step.
TRAINING = """
import time
from pathlib import Path
import numpy as np
from pokegan.core.params import read_params
from pokegan.tracking.run import track_run
with track_run("a_stage", read_params("seed")) as run:
    print("begun", flush=True)
    for step in range(1, 9):
        while step in (4, 8) and not Path(f"go{step}").exists():
            time.sleep(0.05)
        run.log_image("samples", np.full((8, 8, 3), 30 * step, np.uint8), step=step)
        run.log_metrics({"epoch": step, "loss": 1 / step}, step=step)
        print(step, flush=True)
"""


def start(folder: Path, uri: str | None = None) -> subprocess.Popen[str]:
    where = {"MLFLOW_TRACKING_URI": uri} if uri else {}
    return start_process(folder, "-c", TRAINING, PYTHONPATH=str(ROOT), **where)


def wait_for(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdout is not None
    for said in process.stdout:
        if said == f"{line}\n":
            return
    raise AssertionError(process.stderr.read() if process.stderr else "")


def end(process: subprocess.Popen[str]) -> str:
    """What it said of warnings; it must have come to its end."""
    _, said = process.communicate(timeout=120)
    assert process.returncode == 0, said
    return said


@contextmanager
def server(folder: Path, port: int) -> Iterator[str]:
    """A real `mlflow server` on loopback, its store in FOLDER."""
    options = {
        "--port": str(port),
        "--workers": "1",
        "--backend-store-uri": f"sqlite:///{folder / 'server.db'}",
        "--artifacts-destination": str(folder / "kept"),
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "mlflow", "server", *chain.from_iterable(options.items())],
        env=environment(MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    uri = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 120
        while True:
            try:
                urllib.request.urlopen(f"{uri}/health", timeout=5).close()
                break
            except OSError:
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.2)
        yield uri
    finally:
        os.killpg(process.pid, 9)
        process.wait()


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def assert_it_holds_everything(uri: str) -> None:
    client = mlflow.MlflowClient(uri)
    experiment = client.get_experiment_by_name("pokegan")
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.status == "FINISHED"
    for key, value in {"epoch": lambda s: s, "loss": lambda s: 1 / s}.items():
        history = client.get_metric_history(run.info.run_id, key)
        assert sorted((p.step, p.value) for p in history) == [(s, value(s)) for s in STEPS]
    images = [Path(a.path).name for a in client.list_artifacts(run.info.run_id, "images")]
    steps = [
        int(found[1]) for name in images if (found := re.match(r"samples.step.(\d+)\D.*png", name))
    ]
    # A picture that was under way when the server died may be there twice.
    assert sorted(set(steps)) == STEPS


def test_a_server_that_dies_and_comes_back_misses_nothing(workspace: Path, tmp_path: Path) -> None:
    """It is away when the stage begins, too."""
    port = free_port()
    training = start(workspace, f"http://127.0.0.1:{port}")
    wait_for(training, "3")
    with server(tmp_path, port) as uri:
        client = mlflow.MlflowClient(uri)
        deadline = time.monotonic() + 60
        while client.get_experiment_by_name("pokegan") is None and time.monotonic() < deadline:
            time.sleep(0.2)
        (workspace / "go4").touch()
        wait_for(training, "5")
    wait_for(training, "7")  # nobody is there, and it goes on
    with server(tmp_path, port) as uri:
        (workspace / "go8").touch()
        said = end(training)
        assert_it_holds_everything(uri)
    assert said.count("MLflow cannot be reached") >= 1
    assert "misses" not in said.replace("MLflow misses is told when", "")
    assert not (workspace / "mlflow.db").exists()


def test_a_locked_store_misses_nothing(workspace: Path) -> None:
    """Locked for less than MLflow itself waits; a server that is away tries the rest."""
    training = start(workspace)
    wait_for(training, "3")
    with closing(sqlite3.connect(workspace / "mlflow.db", timeout=30)) as other:
        other.execute("BEGIN EXCLUSIVE")
        (workspace / "go4").touch()
        wait_for(training, "7")  # the training does not wait
        other.rollback()
    (workspace / "go8").touch()
    assert end(training) == ""
    assert_it_holds_everything(f"sqlite:///{workspace / 'mlflow.db'}")


def test_a_store_that_cannot_be_written_costs_the_stage_nothing(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with track_run("a_stage", read_params("seed")):
        pass
    read_only = f"sqlite:///file:{workspace / 'mlflow.db'}?mode=ro&uri=true"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", read_only)
    with track_run("a_stage", read_params("seed")) as run:
        run.log_metrics({"pictures": 3.0})
    said = capsys.readouterr().err
    assert "readonly" in said
    assert "`make sync`" in said
