"""`pokegan ui` stores the columns of the table, prints its address and starts MLflow."""

import json
import shutil
import webbrowser
from pathlib import Path
from types import SimpleNamespace

import mlflow
import pytest
from click.testing import CliRunner

import pokegan.cli.ui as ui
from pokegan.cli import common
from tests.conftest import assert_one_sentence
from tests.tracking.toy import store


@pytest.fixture
def opened(
    workspace: Path, empty_store: Path, monkeypatch: pytest.MonkeyPatch
) -> list[list[str] | str]:
    """The commands that were started and the addresses that were opened."""
    shutil.copy(empty_store, workspace)
    seen: list[list[str] | str] = []
    monkeypatch.setattr(ui, "subprocess", SimpleNamespace(run=lambda c, **_: seen.append(c)))
    monkeypatch.setattr(webbrowser, "open", seen.append)
    monkeypatch.setattr(common, "is_open", lambda port: port == 5001)
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    return seen


def test_the_table_has_columns_for_lr_and_distances(workspace: Path, opened: list[object]) -> None:
    result = CliRunner().invoke(ui.ui, ["--port", "5002"])
    assert result.exit_code == 0, result.output
    experiment = mlflow.MlflowClient(store(workspace)).get_experiment_by_name("pokegan")
    address = f"http://127.0.0.1:5002/#/experiments/{experiment.experiment_id}/runs"
    assert f"{address}?workflowType=machine_learning&viewStateShareKey=pokegan\n" in result.stdout
    view = json.loads(experiment.tags["mlflow.sharedViewState.pokegan"])
    assert {"params.`lr`", "metrics.`aegan.fd_effnet_lite0`"} <= set(view["selectedColumns"])
    assert view["orderByKey"] == "attributes.start_time"
    (command,) = opened  # and no browser, without a display
    assert "mlflow" in command
    assert store(workspace) in command


def test_a_browser_opens_on_a_display(
    opened: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ui, "is_open", lambda port: True)
    ui.browse("http://127.0.0.1:1/", 1)
    assert opened == ["http://127.0.0.1:1/"]


def test_a_port_in_use_is_named(opened: list[object]) -> None:
    assert_one_sentence(CliRunner().invoke(ui.ui, ["--port", "5001"]), "Port 5001 is in use")
    assert not opened
