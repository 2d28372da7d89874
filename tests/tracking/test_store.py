"""The address of the store."""

import sqlite3
from contextlib import closing
from pathlib import Path

import mlflow
import numpy as np
import pytest

from pokegan.core.params import read_params
from pokegan.tracking.run import track_run
from pokegan.tracking.store import anchor, connect
from tests.tracking.toy import runs

HOME = Path("/a repository")


@pytest.mark.parametrize(
    ("uri", "anchored", "file"),
    [
        ("sqlite:///mlflow.db", "sqlite:////a repository/mlflow.db", HOME / "mlflow.db"),
        ("sqlite:////abs/new.db", "sqlite:////abs/new.db", Path("/abs/new.db")),
        ("sqlite:///50%25.db", "sqlite:////a repository/50%25.db", HOME / "50%.db"),
        ("runs", "file:///a%20repository/runs", None),
        ("file:runs", "file:///a%20repository/runs", None),
        ("file:///abs/runs%20", "file:///abs/runs%20", None),
        ("http://host:5000", "http://host:5000", None),
        ("postgresql://user@host/db", "postgresql://user@host/db", None),
        ("sqlite://", "sqlite://", None),
    ],
)
def test_local_addresses_are_anchored(uri: str, anchored: str, file: Path | None) -> None:
    assert anchor(uri, HOME) == (anchored, file)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["what?", "pct%20x", "h#sh", "é (1)"])
def test_a_repository_may_have_any_name(
    tmp_path: Path, name: str, empty_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / name
    home.mkdir()
    (home / "mlflow.db").write_bytes(empty_store.read_bytes())
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("DVC_ROOT", str(home))
    client, experiment = connect()
    client.create_run(experiment, run_name="named")
    with closing(sqlite3.connect(home / "mlflow.db")) as database:
        assert database.execute("SELECT name FROM runs").fetchall() == [("named",)]
    location = client.get_experiment(experiment).artifact_location
    assert location == (home / "mlartifacts").as_uri()
    assert [each.name for each in tmp_path.iterdir()] == [name]


@pytest.mark.slow
@pytest.mark.parametrize("absolute", [False, True])
def test_a_named_local_store_keeps_the_runs_of_temporary_workspaces(
    workspace: Path, tmp_path_factory: pytest.TempPathFactory, absolute: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """DVC deletes such a workspace: neither database nor artifacts may lie there."""
    home = tmp_path_factory.mktemp("home")
    folder = tmp_path_factory.mktemp("elsewhere") if absolute else home
    if absolute:
        (workspace / "mlflow.db").unlink()
    else:
        (workspace / "mlflow.db").replace(folder / "new.db")
    uri = f"sqlite:///{folder / 'new.db'}" if absolute else "sqlite:///new.db"
    monkeypatch.setenv("DVC_ROOT", str(home))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    with track_run("augment", read_params("seed")) as run:
        run.log_image("sheet", np.zeros((2, 2, 3), np.uint8))
    (found,) = runs(f"sqlite:///{folder / 'new.db'}")
    assert found.info.status == "FINISHED"
    assert list(folder.glob("mlartifacts/**/sheet.png"))
    assert not [path.name for path in workspace.iterdir() if path.suffix == ".db"]
    client = mlflow.MlflowClient(f"sqlite:///{folder / 'new.db'}")
    if not absolute:
        moved = home.with_name("moved")
        home.rename(moved)
        monkeypatch.setenv("DVC_ROOT", str(moved))
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        client, _ = connect()
        folder = moved
    location = client.get_experiment_by_name("pokegan").artifact_location
    assert location == (folder / "mlartifacts").as_uri()
