"""MLflow's runs are completed from DVC's files: small stages, real DVC, git and MLflow."""

import platform
import shutil
from pathlib import Path

import mlflow
import numpy as np
import pytest
from click.testing import CliRunner
from dvc.repo import Repo

from pokegan.cli.sync import sync
from pokegan.tracking import child
from pokegan.tracking import sync as syncing
from pokegan.tracking.lockfile import StageRun, finished
from pokegan.tracking.run import Run
from pokegan.tracking.store import connect, this_process
from tests.conftest import ROOT, assert_one_sentence, commit, run
from tests.tracking.toy import (
    EVALUATE,
    INSPECT,
    STAGES,
    TRAIN,
    assert_training_is_complete,
    make_toy,
    points,
    runs,
    store,
)

pytestmark = pytest.mark.slow

DEAD = {"host": platform.node(), "pid": str(2**22 + 1), "process_started": "1"}


@pytest.fixture(scope="module")
def repository(empty_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository in which every stage has run."""
    folder = make_toy(tmp_path_factory.mktemp("sync") / "here")
    shutil.copy(empty_store, folder)
    (folder / "code" / "__pycache__").mkdir()
    (folder / "code" / "__pycache__" / "module.pyc").write_text("before")
    run("dvc", "repro", cwd=folder, PYTHONPATH=str(ROOT))
    commit(folder, "ran")
    return folder


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DVC_ROOT", raising=False)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))  # of stages


@pytest.fixture
def clone(
    repository: Path, empty_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """What git stores of the repository, without DVC's files and runs, as working directory."""
    folder = tmp_path / "clone"
    run("git", "clone", "-q", str(repository), str(folder), cwd=tmp_path)
    shutil.copy(empty_store, folder)
    run("dvc", "cache", "dir", "--local", str(repository / ".dvc/cache"), cwd=folder)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def copy(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Everything in the repository, with its runs, as working directory."""
    folder = tmp_path / "copy"
    shutil.copytree(repository, folder)
    monkeypatch.chdir(folder)
    return folder


def synchronize() -> str:
    result = CliRunner().invoke(sync)
    assert result.exit_code == 0, result.output
    return result.output


def execution(stage: str) -> StageRun:
    return next(each for each in finished() if each.stage == stage)


def test_what_ran_here_is_complete(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The fingerprint before a stage runs is that of dvc.lock; caches of bytecode do not count."""
    monkeypatch.chdir(repository)
    (repository / "code" / "__pycache__" / "module.pyc").write_text("after")
    logged = {
        r.data.tags["dvc.fingerprint"]: r.data.tags["dvc.stage"] for r in runs(store(repository))
    }
    assert {each.fingerprint: each.stage for each in finished()} == logged
    assert sorted(logged.values()) == sorted(STAGES)
    assert "up to date" in synchronize()
    assert len(runs(store(repository))) == len(STAGES)


def test_a_clone_gets_each_run_once(repository: Path, clone: Path) -> None:
    """Parameters, every point, data sets; samples and the model when DVC has fetched them."""
    completed = synchronize()
    assert all(stage in completed for stage in STAGES)
    assert "up to date" in synchronize()
    run("dvc", "checkout", "-q", TRAIN, cwd=clone)
    assert synchronize() == f"Completed: {TRAIN}, {EVALUATE}, committed results.\n"
    assert "up to date" in synchronize()
    here, there = store(clone), store(repository)
    restored = {r.data.tags["dvc.stage"]: r for r in runs(here)}
    originals = {r.data.tags["dvc.stage"]: r for r in runs(there)}
    assert restored.keys() == originals.keys() == set(STAGES)
    for stage, found in restored.items():
        assert found.info.status == "FINISHED"
        assert found.data.tags["dvc.restored"] == "true"
        assert found.data.params == originals[stage].data.params
        for key, values in points(there, originals[stage]).items():
            np.testing.assert_allclose(points(here, found)[key], values, rtol=1e-5)
        read = [
            [(each.dataset.name, each.dataset.digest) for each in r.inputs.dataset_inputs]
            for r in (found, originals[stage])
        ]
        assert read[0] == read[1]
    trained = assert_training_is_complete(here)
    assert trained.info.end_time - trained.info.start_time == 90_000
    assert trained.inputs.dataset_inputs[0].dataset.name == "set"
    assert restored[INSPECT].data.tags["copies.count"] == "3"
    (registered,) = mlflow.MlflowClient(here, here).search_model_versions("name = 'pokegan-tiny'")
    (original,) = mlflow.MlflowClient(there, there).search_model_versions("name = 'pokegan-tiny'")
    assert registered.tags == original.tags


def test_a_sync_that_was_interrupted_is_continued(
    clone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise ConnectionError

    with monkeypatch.context() as patch, pytest.raises(ConnectionError):
        patch.setattr(child, "this_process", lambda: DEAD)
        patch.setattr(child, "log_inputs", interrupt)
        syncing.sync_runs(connect())
    (begun,) = runs(store(clone))
    assert begun.info.status == "RUNNING"
    synchronize()
    after = runs(store(clone))
    assert len(after) == len(STAGES)
    assert {each.info.status for each in after} == {"FINISHED"}
    assert begun.info.run_id in {each.info.run_id for each in after}


def test_a_run_that_lacks_a_part_gets_the_rest(clone: Path) -> None:
    """Its server went away, and then its process ended."""
    run("dvc", "checkout", "-q", TRAIN, cwd=clone)
    client, experiment = connect()
    tags = {"dvc.stage": TRAIN, "dvc.fingerprint": execution(TRAIN).fingerprint, **DEAD}
    run_id = client.create_run(experiment, tags=tags).info.run_id
    for key in ("epoch", "generator_loss"):
        client.log_metric(run_id, key, 1.0, step=1)
    assert TRAIN in synchronize()
    found = assert_training_is_complete(store(clone))
    assert found.info.run_id == run_id
    assert found.data.tags["dvc.restored"] == "in part"
    assert "up to date" in synchronize()


def test_files_that_were_changed_since_create_no_run(clone: Path) -> None:
    with (clone / "reports/networks/tiny/history.csv").open("a") as file:
        file.write("99,99,1,1\n")
    assert TRAIN not in synchronize()


@pytest.mark.parametrize("status", ["alive", "on another machine"])
def test_a_run_that_another_process_logs_is_left_alone(clone: Path, status: str) -> None:
    """Processes of two containers may have the same number."""
    client, experiment = connect()
    process = this_process() if status == "alive" else {**DEAD, "host": "elsewhere"}
    tags = {"dvc.stage": "download", "dvc.fingerprint": execution("download").fingerprint}
    client.create_run(experiment, tags={**tags, **process})
    assert "download" not in synchronize()
    (left,) = runs(store(clone), "download")
    assert left.info.status == "RUNNING"


@pytest.mark.parametrize("number", ["free", "that of another process"])
def test_the_run_of_a_dead_process_is_closed(clone: Path, number: str) -> None:
    client, experiment = connect()
    process = DEAD if number == "free" else {**this_process(), "process_started": "1"}
    client.create_run(experiment, tags={"dvc.stage": "a_stage", **process})
    synchronize()
    assert runs(store(clone), "a_stage")[0].info.status == "KILLED"


def test_a_moved_repository_finds_its_artifacts(copy: Path) -> None:
    synchronize()
    (trained,) = runs(store(copy), TRAIN)
    artifacts = (copy / "mlartifacts").as_uri()
    assert trained.info.artifact_uri.startswith(artifacts)
    client = mlflow.MlflowClient(store(copy), store(copy))
    assert client.get_experiment_by_name("pokegan").artifact_location == artifacts
    version = client.get_model_version_by_alias("pokegan-tiny", "best_effnet_lite0")
    uri = client.get_model_version_download_uri(version.name, version.version)
    assert uri.startswith(artifacts)


def test_what_a_user_deleted_stays_deleted(clone: Path) -> None:
    synchronize()
    client, experiment = connect()
    (trained,) = runs(store(clone), TRAIN)
    client.delete_run(trained.info.run_id)
    assert "up to date" in synchronize()
    assert not runs(store(clone), TRAIN)
    for each in client.search_runs([experiment]):
        client.delete_run(each.info.run_id)
    assert "up to date" in synchronize()
    assert not client.search_runs([experiment])


def test_the_alias_is_that_of_the_protocol_in_the_workspace(copy: Path) -> None:
    """A trial scored another generator by another protocol; then its files were restored."""
    synchronize()
    client, _ = connect()
    name, alias = "pokegan-tiny", "best_effnet_lite0"
    (mine,) = client.search_model_versions(f"name = '{name}'")
    trial = client.create_model_version(name, mine.source, mine.run_id)
    client.set_model_version_tag(name, trial.version, "fd_effnet_lite0_3_trial", "1.0")
    client.set_registered_model_alias(name, alias, trial.version)
    assert f"Completed: {alias}" in synchronize()
    assert client.get_model_version_by_alias(name, alias).version == mine.version
    assert "up to date" in synchronize()


def test_runs_of_a_former_layout_of_the_pipeline_stay_as_they_are(clone: Path) -> None:
    """Their stages are in an old dvc.lock, but not in dvc.yaml."""
    lock = clone / "dvc.lock"
    former = "  train_tiny:\n    cmd: echo\n    outs:\n    - {path: old, hash: md5, md5: abc}\n"
    lock.write_text(lock.read_text() + former)
    client, experiment = connect()
    old = {
        stage: client.create_run(
            experiment, tags={"dvc.stage": stage, "dvc.fingerprint": "0" * 32, **DEAD, **tags}
        ).info.run_id
        for stage, tags in {
            "train_tiny": {"dvc.restored": "true", "dvc.lacks": "pictures"},
            "evaluate_tiny": {},
        }.items()
    }
    for run_id in old.values():
        client.log_metric(run_id, "epoch", 1.0, step=1)
        client.set_terminated(run_id)
    before = {run_id: client.get_run(run_id).to_dictionary() for run_id in old.values()}
    synchronize()
    assert "up to date" in synchronize()
    assert {run_id: client.get_run(run_id).to_dictionary() for run_id in before} == before
    names = sorted(each.data.tags["dvc.stage"] for each in runs(store(clone)))
    assert names == sorted([*STAGES, *old])


def test_a_store_that_cannot_be_used_is_named(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    assert_one_sentence(CliRunner().invoke(sync), "MLflow could not be synchronized")


def test_a_broken_lock_file_costs_no_run(clone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (clone / "dvc.lock").write_text("schema: '2.0'\nstages:\n  download:\n    outs: [5]\n")
    a_stage = Run(StageRun("a_stage", {}))
    a_stage.start()
    a_stage.end("FINISHED")
    (found,) = runs(store(clone))
    assert found.info.status == "FINISHED"
    assert "DVC cannot read the pipeline" in capsys.readouterr().err


def test_a_team_shares_what_was_computed(
    copy: Path, empty_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files come from a remote, here a folder; no stage runs again, and MLflow has its runs."""
    run("dvc", "remote", "add", "-d", "storage", str(tmp_path / "remote"), cwd=copy)
    commit(copy, "a remote")
    with Repo() as repo:
        repo.push()
    colleague = tmp_path / "colleague"
    run("git", "clone", "-q", str(copy), str(colleague), cwd=tmp_path)
    shutil.copy(empty_store, colleague)
    monkeypatch.chdir(colleague)
    with Repo() as repo:
        assert repo.reproduce(pull=True) == []
    synchronize()
    assert_training_is_complete(store(colleague))
