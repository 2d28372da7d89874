import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path

import mlflow
import numpy as np
import pytest

from pokegan.core.params import read_params
from pokegan.tracking.run import track_run
from tests.tracking.toy import parents, points, runs, store

IMAGE = np.zeros((4, 4, 3), np.uint8)


def test_a_run_holds_params_metrics_images_and_files(workspace: Path) -> None:
    with track_run("augment", read_params("seed", "augment")) as run:
        run.log_metrics({"pictures": 3.0})
        run.log_image("sheet", IMAGE)
        run.log_artifact(workspace / "params.yaml")
    (found,) = runs(store(workspace))
    assert found.info.run_name == "augment"
    assert found.info.status == "FINISHED"
    assert found.data.params["augment.contrast"] == "0.2"
    assert found.data.metrics == {"pictures": 3.0}
    assert found.data.tags["dvc.stage"] == "augment"
    assert list(workspace.glob("mlartifacts/**/sheet.png"))
    assert list(workspace.glob("mlartifacts/**/params.yaml"))


def test_a_run_is_anchored_at_the_root_and_its_parent_named_after_the_experiment(
    workspace: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In DVC's temporary workspaces the working directory is not the repository."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("DVC_ROOT", str(home))
    monkeypatch.setenv("DVC_EXP_NAME", "humid-tors")
    with track_run("augment", read_params("seed")) as run:
        run.log_image("sheet", IMAGE)
    (found,) = runs(store(home))
    assert found.info.run_name == "augment"
    (parent,) = parents(store(home))
    assert parent.info.run_name == found.data.tags["dvc.exp"] == "humid-tors"
    assert found.data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert list(home.glob("mlartifacts/**/sheet.png"))
    assert not runs(store(workspace))


def test_the_experiment_may_have_another_name(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "mine")
    with track_run("augment", read_params("seed")) as run:
        assert run.id
    client = mlflow.MlflowClient(store(workspace))
    assert client.get_experiment(client.get_run(run.id).info.experiment_id).name == "mine"


def fail() -> None:
    raise ValueError


@pytest.mark.parametrize(
    ("end", "error", "status"),
    [
        (fail, ValueError, "FAILED"),
        (partial(signal.raise_signal, signal.SIGINT), KeyboardInterrupt, "KILLED"),
        (partial(signal.raise_signal, signal.SIGTERM), SystemExit, "KILLED"),
    ],
)
def test_the_status_is_that_of_the_stage(
    workspace: Path, end: Callable[[], None], error: type[BaseException], status: str
) -> None:
    with pytest.raises(error), track_run("augment", read_params("seed")):
        end()
    assert runs(store(workspace))[0].info.status == status
    assert parents(store(workspace))[0].info.status == status


@pytest.mark.parametrize("uri", ["http://127.0.0.1:9", "sqlite:////dev/null/mlflow.db"])
def test_without_a_store_the_stage_succeeds_with_one_warning(
    workspace: Path, uri: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    with track_run("augment", read_params("seed")) as run:
        run.log_metrics({"pictures": 3.0})
    assert capsys.readouterr().err.count("Warning: ") == 1


@pytest.mark.parametrize("obstacle", ["image", "folder"])
def test_an_image_that_cannot_be_stored_costs_no_points(
    workspace: Path, capsys: pytest.CaptureFixture[str], obstacle: str
) -> None:
    """Either the image is invalid, or a file is in the place of the artifacts' folder."""
    if obstacle == "folder":
        (workspace / "mlartifacts").write_text("")
    pixels = np.zeros((4, 4, 99), np.uint8) if obstacle == "image" else IMAGE
    with track_run("augment", read_params("seed")) as run:
        for step in (1, 2):
            run.log_image("samples", pixels, step=step)
            run.log_metrics({"epoch": step}, step=step)
    (found,) = runs(store(workspace))
    assert found.info.status == "FINISHED"
    assert points(store(workspace), found) == {"epoch": [(1, 1), (2, 2)]}
    assert capsys.readouterr().err.count("Warning: ") == 1


def test_a_resumed_run_skips_the_steps_that_it_has_logged(workspace: Path) -> None:
    with pytest.raises(KeyboardInterrupt), track_run("a_stage", read_params("seed")) as run:
        run.log_metrics({"epoch": 1.0}, step=1)
        run.log_metrics({"epoch": 2.0}, step=2)
        raise KeyboardInterrupt
    with track_run("a_stage", read_params("seed"), resume=run.id) as resumed:
        (found,) = runs(store(workspace))
        assert found.info.status == "RUNNING"
        for step in (2, 3):
            resumed.log_metrics({"epoch": step}, step=step)
    (found,) = runs(store(workspace))
    assert found.info.status == "FINISHED"
    client = mlflow.MlflowClient(store(workspace))
    history = client.get_metric_history(found.info.run_id, "epoch")
    assert [point.step for point in history] == [1, 2, 3]


def test_a_stage_whose_run_was_deleted_starts_another(workspace: Path) -> None:
    with track_run("a_stage", read_params("seed")) as run:
        first = run.id
    mlflow.MlflowClient(store(workspace)).delete_run(first)
    with track_run("a_stage", read_params("seed"), resume=first) as run:
        run.log_metrics({"epoch": 1.0}, step=1)
        assert run.id != first
    (found,) = runs(store(workspace))
    assert found.data.metrics == {"epoch": 1.0}


def test_a_resumed_run_keeps_its_id_while_mlflow_cannot_be_reached(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next checkpoint of a training holds it."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    with track_run("a_stage", read_params("seed"), resume="0123456789abcdef") as run:
        assert run.id == "0123456789abcdef"
