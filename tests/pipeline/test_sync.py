"""MLflow gets back what it lacks: on a repository whose stages are small, with the real tools."""

from __future__ import annotations

import platform
import re
import shutil
import signal
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest
from mlflow.entities import Run

from pokegan.core.params import read_params
from pokegan.tracking.lockfile import executions
from pokegan.tracking.run import track_run
from pokegan.tracking.store import opened, this_process
from pokegan.tracking.sync import sync_runs
from stages import restoring
from tests.conftest import commit, make_repository, run, start_process

STAGES = ["download", "prepare_pokemon819", "augment", "train_dcgan819"]
STAGES += ["encode_pokemon819@effnet_lite0", "index_pokemon2457"]
EVALUATION, MATCHING = "evaluate_dcgan819@effnet_lite0", "match_dcgan819"
STAGES += [EVALUATION, MATCHING]


def runs(repository: Path, *, stage: str | None = None) -> list[Run]:
    client = mlflow.MlflowClient(f"sqlite:///{repository / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("pokegan")
    wanted = f"tags.`dvc.stage` = '{stage}'" if stage else ""
    return list(client.search_runs([experiment.experiment_id], wanted))


def points(repository: Path, of: Run) -> dict[str, Any]:
    """Metric → its points (step, value); files keep six digits of a value."""
    client = mlflow.MlflowClient(f"sqlite:///{repository / 'mlflow.db'}")
    told: dict[str, Any] = {}
    for key in of.data.metrics:
        history = client.get_metric_history(of.info.run_id, key)
        told[key] = sorted((point.step, point.value) for point in history)
    return told


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository in which one network was trained and scored."""
    folder = make_repository(tmp_path_factory.mktemp("restoring") / "here")
    run("dvc", "repro", EVALUATION, MATCHING, cwd=folder)
    commit(folder, "ran")
    return folder


@pytest.fixture
def clone(repository: Path, tmp_path: Path) -> Path:
    """What git has of the repository, and nothing of what DVC keeps."""
    folder = tmp_path / "clone"
    run("git", "clone", "-q", str(repository), str(folder), cwd=tmp_path)
    return folder


def sync(repository: Path, **env: str) -> str:
    return run("python", "-m", "pokegan.cli.sync", cwd=repository, **env).stderr


def test_what_ran_here_is_not_restored(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stage's own fingerprint, taken before it ran, is that of dvc.lock after it."""
    known = {r.data.tags["dvc.fingerprint"]: r.data.tags["dvc.stage"] for r in runs(repository)}
    monkeypatch.chdir(repository)
    assert {e.fingerprint: e.stage for e in executions()} == known
    assert sorted(known.values()) == sorted(STAGES)
    assert "MLflow is up to date" in sync(repository)
    assert len(runs(repository)) == len(STAGES)


def test_a_clone_gets_its_runs_back_once(repository: Path, clone: Path) -> None:
    """Parameters, every point, the samples; whoever asks again gets none twice."""
    said = sync(clone)
    assert said.startswith("Restored: ")
    assert all(stage in said for stage in STAGES)
    assert "MLflow is up to date" in sync(clone)
    # What DVC keeps and git does not comes later.
    run("dvc", "cache", "dir", "--local", str(repository / ".dvc/cache"), cwd=clone)
    run("dvc", "checkout", "-q", "train_dcgan819", cwd=clone)
    assert f"Restored: train_dcgan819, {EVALUATION}." in sync(clone)
    assert "MLflow is up to date" in sync(clone)
    mine, theirs = ({r.data.tags["dvc.stage"]: r for r in runs(at)} for at in (clone, repository))
    assert sorted(mine) == sorted(theirs) == sorted(STAGES)
    for stage, found in mine.items():
        assert found.data.tags["dvc.restored"] == "true"
        assert found.info.status == "FINISHED"
        assert {k: _number(v) for k, v in found.data.params.items()} == {
            k: _number(v) for k, v in theirs[stage].data.params.items()
        }
    for stage in ("train_dcgan819", EVALUATION, MATCHING):
        before, after = points(repository, theirs[stage]), points(clone, mine[stage])
        assert before.keys() == after.keys(), stage
        for key in before:
            np.testing.assert_allclose(after[key], before[key], rtol=1e-5, atol=1e-9, err_msg=key)
    trained = mine["train_dcgan819"]
    lasted = (trained.info.end_time - trained.info.start_time) / 1000
    assert lasted == pytest.approx(float(trained.data.tags["seconds"]), abs=0.1)
    evaluated = mine[EVALUATION].info  # nobody knows how long it took
    assert evaluated.end_time == evaluated.start_time
    client = mlflow.MlflowClient(f"sqlite:///{clone / 'mlflow.db'}")
    assert shown(client, trained) == [5, 10]
    (registered,) = client.search_model_versions("name = 'pokegan-dcgan819'")
    there = mlflow.MlflowClient(f"sqlite:///{repository / 'mlflow.db'}")
    (original,) = there.search_model_versions("name = 'pokegan-dcgan819'")
    assert registered.tags == original.tags
    inputs = {i.dataset.name: i.dataset.digest for i in trained.inputs.dataset_inputs}
    assert inputs == {
        i.dataset.name: i.dataset.digest for i in theirs["train_dcgan819"].inputs.dataset_inputs
    }
    assert list(inputs) == ["pokemon2457"]


def shown(client: mlflow.MlflowClient, of: Run) -> list[int]:
    """The steps of its samples."""
    names = [Path(a.path).name for a in client.list_artifacts(of.info.run_id, "images")]
    found = (re.match(r"samples.step.(\d+)\D.*\.png", name) for name in names)
    return sorted(int(each[1]) for each in found if each)


def test_a_restoring_that_was_cut_off_is_gone_on_with(
    clone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(clone)
    monkeypatch.delenv("DVC_ROOT", raising=False)

    def cut_off(*_: object) -> None:
        raise ConnectionError

    with opened(mlflow) as (client, experiment):
        with monkeypatch.context() as patch, pytest.raises(ConnectionError):
            patch.setattr(restoring, "log_data_sets", cut_off)
            sync_runs(client, experiment)
        (begun,) = runs(clone)
        assert begun.info.status == "RUNNING"
        assert len(sync_runs(client, experiment)) == len(STAGES)
    after = runs(clone)
    assert len(after) == len(STAGES)
    assert {each.info.status for each in after} == {"FINISHED"}
    assert begun.info.run_id in {each.info.run_id for each in after}


def test_a_run_that_was_not_told_to_its_end_gets_the_rest(
    repository: Path, clone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its server went away, and then its process came to its end."""
    run("dvc", "cache", "dir", "--local", str(repository / ".dvc/cache"), cwd=clone)
    run("dvc", "checkout", "-q", "train_dcgan819", cwd=clone)
    monkeypatch.chdir(clone)
    (trained,) = (e for e in executions() if e.stage == "train_dcgan819")
    with opened(mlflow) as (client, experiment):
        gone = {"host": platform.node(), "pid": str(2**22 + 1), "process_started": "1"}
        tags = {"dvc.stage": trained.stage, "dvc.fingerprint": trained.fingerprint, **gone}
        half = client.create_run(experiment, tags=tags)
        first = {key: values[0] for key, values in points(repository, theirs(repository)).items()}
        for key, (step, value) in first.items():
            client.log_metric(half.info.run_id, key, value, step=step)
    assert "train_dcgan819" in sync(clone)
    (found,) = runs(clone, stage="train_dcgan819")
    assert found.info.run_id == half.info.run_id
    assert found.info.status == "FINISHED"
    assert found.data.tags["dvc.restored"] == "in part"
    before, after = points(repository, theirs(repository)), points(clone, found)
    assert {key: len(values) for key, values in after.items()} == {
        key: len(values) for key, values in before.items()
    }
    assert shown(client, found) == [5, 10]
    assert "MLflow is up to date" in sync(clone)


def theirs(repository: Path) -> Run:
    (trained,) = runs(repository, stage="train_dcgan819")
    return trained


def _number(value: str) -> Any:
    """15 and 15.0 are the same; MLflow knows words only."""
    try:
        return float(value)
    except ValueError:
        return value


def test_files_that_were_changed_since_restore_nothing(clone: Path) -> None:
    with (clone / "reports/dcgan819/history.csv").open("a") as file:
        file.write("99,99\n")
    sync(clone)
    assert "train_dcgan819" not in {r.data.tags["dvc.stage"] for r in runs(clone)}


def test_a_moved_repository_keeps_its_artifacts(repository: Path, tmp_path: Path) -> None:
    moved = tmp_path / "there"
    shutil.copytree(repository, moved, ignore=shutil.ignore_patterns("data", "cache"))
    sync(moved)
    client = mlflow.MlflowClient(f"sqlite:///{moved / 'mlflow.db'}")
    (trained,) = runs(moved, stage="train_dcgan819")
    assert trained.info.artifact_uri.startswith((moved / "mlartifacts").as_uri())
    assert client.list_artifacts(trained.info.run_id, "images")
    experiment = client.get_experiment_by_name("pokegan")
    assert experiment.artifact_location == (moved / "mlartifacts").as_uri()


def test_a_run_whose_process_was_killed_is_closed(repository: Path) -> None:
    """And one that is under way is left alone."""
    program = "import time; from pokegan.tracking.run import track_run; from pokegan.core.params import read_params\n"
    program += (
        "with track_run('a_stage', read_params('seed')): print('begun', flush=True); time.sleep(60)"
    )
    process = start_process(repository, "-c", program)
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    sync(repository)
    (under_way,) = runs(repository, stage="a_stage")
    assert under_way.info.status == "RUNNING"
    process.send_signal(signal.SIGKILL)
    process.wait()
    sync(repository)
    (closed,) = runs(repository, stage="a_stage")
    assert closed.info.status == "KILLED"


def test_what_another_machine_restores_is_left_to_it(
    clone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Processes of two containers may have the same number."""
    monkeypatch.chdir(clone)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    (execution,) = (each for each in executions() if each.stage == "augment")
    with opened(mlflow) as (client, experiment):
        there = {
            "dvc.stage": "augment",
            "dvc.fingerprint": execution.fingerprint,
            restoring.RESTORED: restoring.UNDER_WAY,
            **this_process(),
            "host": "elsewhere",
        }
        begun = client.create_run(experiment, tags=there)
        assert "augment" not in sync_runs(client, experiment)
    (left,) = runs(clone, stage="augment")
    assert left.info.run_id == begun.info.run_id
    assert left.info.status == "RUNNING"


def test_a_store_that_cannot_be_used_is_named(repository: Path) -> None:
    nobody = {"MLFLOW_TRACKING_URI": "http://127.0.0.1:9", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
    result = run("python", "-m", "pokegan.cli.sync", cwd=repository, check=False, **nobody)
    assert result.returncode == 1
    assert "Error: MLflow could not be brought up to date" in result.stderr
    assert "Traceback" not in result.stderr


def test_what_cannot_be_restored_costs_no_run(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (workspace / "dvc.lock").write_text("stages:\n  augment:\n    outs: [5]\n")
    with track_run("a_stage", read_params("seed")):
        pass
    assert runs(workspace, stage="a_stage")[0].info.status == "FINISHED"
    assert "Warning: MLflow lacks runs of before" in capsys.readouterr().err


def test_a_restored_run_of_an_experiment_has_its_name(repository: Path, tmp_path: Path) -> None:
    """Told by git: the experiment's dvc.lock holds what its baseline's does not."""
    run(
        "dvc", "exp", "run", "-n", "bolder", "-S", "augment.contrast=0.3", "augment", cwd=repository
    )
    copy = tmp_path / "copy"
    shutil.copytree(repository, copy, ignore=shutil.ignore_patterns("cache", "mlflow.db", "*.npy"))
    run("git", "checkout", "-q", ".", cwd=repository)
    run("dvc", "checkout", "-q", "augment", cwd=repository)
    sync(copy)
    names = {r.data.tags["dvc.stage"]: r.info.run_name for r in runs(copy)}
    assert names["augment"] == "augment · bolder"
    assert names["download"] == "download"


def test_a_team_shares_what_was_computed(repository: Path, tmp_path: Path) -> None:
    """By a remote, here a folder: pulled, or pulled by the way, no stage runs again."""
    run("dvc", "remote", "add", "-d", "-f", "storage", str(tmp_path / "remote"), cwd=repository)
    commit(repository, "a remote")
    run("dvc", "push", "-q", *STAGES, cwd=repository)
    for name, steps in {
        "by the way": [("repro", "--pull", EVALUATION)],
        "pulled": [("pull", "-q", *STAGES), ("repro", EVALUATION)],
    }.items():
        clone = tmp_path / name
        run("git", "clone", "-q", str(repository), str(clone), cwd=tmp_path)
        for step in steps:
            done = run("dvc", *step, cwd=clone)
            assert "Running stage" not in done.stdout, done.stdout
        assert (clone / "models/dcgan819/generator.safetensors").is_file()
        assert "train_dcgan819" in sync(clone)
