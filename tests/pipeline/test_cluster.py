"""Two workers on one study: PostgreSQL, an MLflow server on it, a git remote, a DVC remote."""

import getpass
import importlib.util
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import optuna
import pytest
import yaml

from tests.conftest import add_pictures, commit, environment, make_repository, run, start_process

PROGRAMS = shutil.which("initdb") or next(
    iter(Path("/usr/lib/postgresql").glob("*/bin/initdb")), None
)
HAS_SERVERS = PROGRAMS and importlib.util.find_spec("psycopg")
pytestmark = [
    pytest.mark.servers,
    pytest.mark.slow,
    pytest.mark.skipif(not HAS_SERVERS, reason="no PostgreSQL or psycopg: make test-servers"),
]
TRIALS = 3
DATA = ("download", "prepare@pokemon14000", "encode@pokemon14000")
STUDY = {
    "name": "shared",
    "network": "dcgan14000",
    "encoder": "effnet_lite0",
    "metric": "fd",
    "direction": "minimize",
    "sampler": "random",
    "seed": 1,
    "overrides": {"dcgan14000.epochs": 150},
    "space": {"lr": {"low": 1e-5, "high": 1e-3, "log": True}},
}
# Heartbeats every two seconds instead of every minute.
WORKER = "from pokegan.cli import main, study; study.HEARTBEAT = 2; main()"


@dataclass
class Cluster:
    folder: Path
    storage: str  # of the study
    tracking: str  # address of the MLflow server

    def clone(self, name: str) -> Path:
        """Clone the repository as a new machine does."""
        run("git", "clone", "-q", "origin.git", name, cwd=self.folder)
        for key, value in (("name", "t"), ("email", "t@example.org")):
            run("git", "config", f"user.{key}", value, cwd=self.folder / name)
        return self.folder / name

    def start(self, repository: Path) -> subprocess.Popen[str]:
        """Start a worker in a session of its own: DVC has its own process group in it."""
        words = (
            "study",
            "study.yaml",
            "--trials",
            str(TRIALS),
            "--storage",
            self.storage,
            "--push",
        )
        code = f"import os; os.setsid(); {WORKER}"
        return start_process(repository, "-c", code, *words, MLFLOW_TRACKING_URI=self.tracking)

    def runs(self) -> list[Any]:
        client = mlflow.MlflowClient(self.tracking)
        experiment = client.get_experiment_by_name("pokegan")
        return list(client.search_runs([experiment.experiment_id])) if experiment else []

    def trials(self) -> list[Any]:
        return optuna.load_study(study_name="shared", storage=self.storage).get_trials()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait(condition: Callable[[], Any], seconds: float = 300) -> Any:
    """Wait until a condition holds; return its value."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    return value


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a PostgreSQL server on the loopback interface."""
    assert PROGRAMS
    folder, port = tmp_path_factory.mktemp("database"), free_port()
    # PostgreSQL refuses to run as root.
    user = "postgres" if os.geteuid() == 0 else getpass.getuser()
    shutil.chown(folder, user)
    for parent in list(folder.parents)[:3]:
        if parent.owner() == getpass.getuser() and parent != Path("/tmp"):
            parent.chmod(0o711)
    programs = Path(PROGRAMS).parent
    words = (programs / "initdb", "-D", folder / "data", "-A", "trust", "-U", "pokegan")
    subprocess.run(words, check=True, capture_output=True, user=user, cwd="/")
    listen = ("-p", str(port), "-k", folder, "-c", "listen_addresses=127.0.0.1")
    words = (programs / "postgres", "-D", folder / "data", *listen)
    with subprocess.Popen(words, stderr=subprocess.DEVNULL, user=user, cwd="/") as server:
        address = f"postgresql://pokegan@127.0.0.1:{port}"
        create = ("createdb", "-h", "127.0.0.1", "-p", str(port), "-U", "pokegan")
        wait(lambda: not subprocess.run([*create, "study"], capture_output=True).returncode)
        subprocess.run([*create, "mlflow"], check=True)
        yield address
        server.send_signal(signal.SIGINT)


@pytest.fixture(scope="module")
def cluster(database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder, port = tmp_path_factory.mktemp("cluster"), free_port()
    words = ("--backend-store-uri", f"{database}/mlflow", "--port", str(port), "--workers", "1")
    words += ("--artifacts-destination", str(folder / "artifacts"))
    command = [sys.executable, "-m", "mlflow", "server", *words]
    with subprocess.Popen(
        command, env=environment(MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as server:  # fmt: skip
        repository = make_repository(folder / "start")
        add_pictures(repository)
        (repository / "study.yaml").write_text(yaml.safe_dump(STUDY))
        run("dvc", "remote", "add", "-q", "-d", "storage", str(folder / "storage"), cwd=repository)
        run("dvc", "repro", "-q", "encode@pokemon14000", cwd=repository)
        commit(repository, "data")
        run("dvc", "push", "-q", cwd=repository)
        run("git", "clone", "-q", "--bare", "start", "origin.git", cwd=folder)
        made = Cluster(folder, f"{database}/study", f"http://127.0.0.1:{port}")
        wait(lambda: socket.socket().connect_ex(("127.0.0.1", port)) == 0)
        yield made
        os.killpg(server.pid, signal.SIGKILL)


def training_of(cluster: Cluster, worker: subprocess.Popen[str]) -> Any:
    """Return the open run of a training that a worker started, after its first steps."""
    for each in cluster.runs():
        is_open = each.info.status == "RUNNING" and each.info.run_name == "train@dcgan14000"
        if is_open and "epoch" in each.data.metrics:
            try:
                if os.getsid(int(each.data.tags["pid"])) == worker.pid:
                    return each
            except ProcessLookupError:
                continue
    return None


def test_a_trial_of_a_killed_worker_is_run_by_another(cluster: Cluster) -> None:
    first, second = cluster.clone("first"), cluster.clone("second")
    for repository in (first, second):
        run("dvc", "pull", "-q", *DATA, cwd=repository)
    workers = [cluster.start(repository) for repository in (first, second)]
    killed = wait(lambda: training_of(cluster, workers[0]))
    run("pkill", "-KILL", "--session", str(workers[0].pid), cwd=first)
    workers[0].communicate()
    output, errors = workers[1].communicate(timeout=600)
    assert workers[1].returncode == 0, output + errors

    trials = cluster.trials()
    dead = [each for each in trials if each.state.name == "FAIL"]
    # A collapsed generator counts as pruned.
    finished = [each for each in trials if each.state.name in ("COMPLETE", "PRUNED")]
    assert (len(finished), len(dead), len(trials)) == (TRIALS, 1, TRIALS + 1)
    assert dead[0].params in [each.params for each in finished]
    assert len({each.params["lr"] for each in finished}) == TRIALS
    values = {f"shared-{each.number}": each.value for each in finished}

    home = cluster.clone("home")
    run("dvc", "exp", "pull", "-q", "--rev", "HEAD", "origin", cwd=home)
    listed = json.loads(run("dvc", "exp", "show", "--json", cwd=home).stdout)
    experiments = {
        each["name"]: each["revs"][0]["data"]
        for row in listed for each in row["experiments"] or []
    }  # fmt: skip
    assert experiments.keys() == values.keys()
    for name, data in experiments.items():
        scores = data["metrics"]["reports/networks/dcgan14000/scores.json"]["data"]
        assert values[name] in (scores["fd_effnet_lite0"], None)

    runs = cluster.runs()
    (study,) = (each for each in runs if "study" in each.data.tags)
    parents = {each.info.run_id: each for each in runs if "dvc.content" in each.data.tags}
    nested = {each.data.tags["mlflow.parentRunId"] for each in parents.values()}
    assert nested == {study.info.run_id}
    names = Counter(each.data.tags["dvc.exp"] for each in parents.values())
    assert names == Counter([*values, f"shared-{dead[0].number}"])
    ended = Counter(
        (parents[each.data.tags["mlflow.parentRunId"]].data.tags["dvc.exp"], each.info.run_name)
        for each in runs
        if "dvc.stage" in each.data.tags and each.info.status == "FINISHED"
    )
    stages = ("train@dcgan14000", "evaluate@dcgan14000")
    assert ended == Counter((name, stage) for name in values for stage in stages)
    lost = mlflow.MlflowClient(cluster.tracking).get_run(killed.info.run_id)
    assert lost.info.status == "KILLED"
