from __future__ import annotations

import signal
from pathlib import Path

import mlflow
import numpy as np
import pytest

from pokegan.core.params import read_params
from pokegan.tracking.run import track_run
from tests.conftest import ROOT, start_process


def runs(folder: Path) -> list[mlflow.entities.Run]:
    client = mlflow.MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("pokegan")
    return client.search_runs([experiment.experiment_id])


def test_a_run_holds_params_metrics_and_pictures(workspace: Path) -> None:
    with track_run("augment", read_params("seed", "augment")) as run:
        run.log_metrics({"pictures": 3.0})
        run.log_image("sheet", np.zeros((4, 4, 3), np.uint8))
    (found,) = runs(workspace)
    assert found.info.run_name == "augment"
    assert found.info.status == "FINISHED"
    assert found.data.params["augment.contrast"] == "0.2"
    assert found.data.metrics == {"pictures": 3.0}
    assert found.data.tags["dvc.stage"] == "augment"
    assert list(workspace.glob("mlartifacts/**/sheet.png"))


def test_a_run_is_anchored_at_the_root_and_named_after_the_experiment(
    workspace: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In DVC's temporary workspaces the working directory is not the repository."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("DVC_ROOT", str(home))
    monkeypatch.setenv("DVC_EXP_NAME", "humid-tors")
    with track_run("augment", read_params("seed")) as run:
        run.log_image("sheet", np.zeros((4, 4, 3), np.uint8))
    (found,) = runs(home)
    assert found.info.run_name == "augment · humid-tors"
    assert list(home.glob("mlartifacts/**/sheet.png"))
    assert not (workspace / "mlflow.db").exists()


def test_a_run_that_lost_a_picture_is_still_closed(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with track_run("augment", read_params("seed")) as run:
        run.log_image("sheet", np.zeros((4, 4, 99), np.uint8))
        run.log_metrics({"pictures": 3.0})
    (found,) = runs(workspace)
    assert found.info.status == "FINISHED"
    assert found.data.metrics == {"pictures": 3.0}
    assert capsys.readouterr().err.count("Warning: MLflow") == 1


@pytest.mark.parametrize(
    ("fault", "status"), [(ValueError, "FAILED"), (KeyboardInterrupt, "KILLED")]
)
def test_the_status_is_true(workspace: Path, fault: type[BaseException], status: str) -> None:
    with pytest.raises(fault), track_run("augment", read_params("seed")):
        raise fault
    assert runs(workspace)[0].info.status == status


def test_a_terminated_stage_is_killed_in_the_store_too(workspace: Path) -> None:
    program = (
        "import time; from pokegan.core.params import read_params; from pokegan.tracking.run import track_run\n"
        "with track_run('augment', read_params('seed')): print('ready', flush=True); time.sleep(60)"
    )
    process = start_process(workspace, "-c", program, PYTHONPATH=str(ROOT))
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 128 + signal.SIGTERM
    assert runs(workspace)[0].info.status == "KILLED"


@pytest.mark.parametrize("uri", ["http://127.0.0.1:9", "sqlite:////dev/null/mlflow.db"])
def test_without_a_store_the_stage_goes_on(
    workspace: Path, uri: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    with track_run("augment", read_params("seed")) as run:
        run.log_metrics({"pictures": 3.0})
    said = capsys.readouterr().err
    assert said.count("Warning: MLflow cannot be reached") == 1
    assert said.count("Warning: MLflow misses a part of this run. `make sync`") == 1


def test_pictures_that_have_no_place_cost_no_points(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (workspace / "mlartifacts").write_text("in the way")
    with track_run("augment", read_params("seed")) as run:
        run.log_image("samples", np.zeros((4, 4, 3), np.uint8), step=1)
        run.log_metrics({"epoch": 1.0}, step=1)
    (found,) = runs(workspace)
    assert found.info.status == "FINISHED"
    assert found.data.metrics == {"epoch": 1.0}
    assert capsys.readouterr().err.count("Warning: MLflow does not take a part of this run") == 1


def test_a_run_that_was_deleted_is_begun_anew(workspace: Path) -> None:
    with track_run("a_stage", read_params("seed")) as run:
        first = run.id
    mlflow.MlflowClient(f"sqlite:///{workspace / 'mlflow.db'}").delete_run(first)
    with track_run("a_stage", read_params("seed"), resume=first) as run:
        run.log_metrics({"epoch": 1.0}, step=1)
        assert run.id != first
    (found,) = runs(workspace)
    assert found.data.metrics == {"epoch": 1.0}


def test_a_run_that_is_gone_on_with_keeps_its_id_while_mlflow_is_away(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next state of a training is saved with it."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    with track_run("a_stage", read_params("seed"), resume="0123456789abcdef") as run:
        assert run.id == "0123456789abcdef"
