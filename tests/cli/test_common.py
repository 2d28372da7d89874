import shutil
import socket
from pathlib import Path

import numpy as np
import pytest
import torch

from pokegan.cli.common import (
    FOLDER,
    HOST,
    SHEET,
    check_output,
    check_port,
    enlarge,
    load_generator_at,
    model_folder,
    save_sheet,
)
from pokegan.core.errors import PipelineError
from pokegan.networks.sampling import seeded_latents
from tests.cli.conftest import CPU, cells
from tests.models import save_model


def test_a_model_is_a_folder_with_a_config(workspace: Path) -> None:
    assert model_folder(str(save_model(workspace / "model"))) == workspace / "model"
    for model in ("nowhere", str(workspace), "m-1", "C:/model"):
        with pytest.raises(PipelineError, match="is not a trained model: it has no config.json"):
            model_folder(model)
    assert not (workspace / "mlflow.db").exists()


@pytest.mark.slow
def test_models_in_mlflow_are_downloaded(workspace: Path, empty_store: Path) -> None:
    """A registered pyfunc model and files of a run, logged with MLflow alone."""
    from pokegan.tracking.store import connect, import_mlflow

    mlflow = import_mlflow()

    class Wrapped(mlflow.pyfunc.PythonModel):
        def predict(self, context, model_input: list[int]) -> list[int]:
            return model_input

    shutil.copy(empty_store, workspace)
    folder = save_model(workspace / "mine")
    client, _ = connect()
    with mlflow.start_run() as run:
        logged = mlflow.pyfunc.log_model(
            name="model",
            python_model=Wrapped(),
            artifacts={"networks": str(folder)},
            pip_requirements=[],
            registered_model_name="mine",
        )
        for path in ("files", "two/first", "two/second"):
            mlflow.log_artifacts(str(folder), path)
    client.set_registered_model_alias("mine", "best", 1)
    run_id = run.info.run_id
    addresses = ["models:/mine@best", "models:/mine/1", logged.model_id]
    for address in [*addresses, f"runs:/{run_id}/model", f"runs:/{run_id}/files"]:
        found = model_folder(address)
        assert not found.is_relative_to(workspace)
        for file in ("config.json", "generator.safetensors", "snapshots/2.safetensors"):
            assert (found / file).read_bytes() == (folder / file).read_bytes()
    with pytest.raises(PipelineError, match="exactly one trained model, but it holds first, seco"):
        model_folder(f"runs:/{run_id}/two")
    with pytest.raises(PipelineError, match="holds none"):
        model_folder(f"runs:/{run_id}/files/snapshots")
    for address in ("models:/mine@worst", "models:/yours/1", f"m-{'0' * 32}", "runs:/1/model"):
        with pytest.raises(PipelineError, match=f"{address} cannot be downloaded from MLflow"):
            model_folder(address)


def test_an_unreachable_store_gives_one_sentence(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "nowhere://store")
    with pytest.raises(PipelineError, match="cannot be downloaded from .*MLFLOW_TRACKING_URI"):
        model_folder("models:/mine@best")


def test_a_step_selects_the_weights_of_its_snapshot(workspace: Path) -> None:
    folder = save_model(workspace / "model")
    trained, config = load_generator_at(folder, CPU)
    assert config["latent_dim"] == 8
    last, _ = load_generator_at(folder, CPU, 4)
    first, _ = load_generator_at(folder, CPU, 2)
    z = seeded_latents(3, 8, 1)
    assert torch.equal(trained(z), last(z))
    assert trained(z).std() > 0.1
    assert (first(z) == 0).all()


def test_a_step_without_a_snapshot_lists_those_that_exist(workspace: Path) -> None:
    folder = save_model(workspace / "model")
    with pytest.raises(PipelineError, match="no snapshot of step 3; there are: 2, 4"):
        load_generator_at(folder, CPU, 3)
    # A model in MLflow may lack its snapshots.
    for file in (folder / "snapshots").iterdir():
        file.unlink()
    with pytest.raises(PipelineError, match="no snapshot of step 2; there are: none"):
        load_generator_at(folder, CPU, 2)


def test_pixels_become_squares(drawings: np.ndarray) -> None:
    large = enlarge(drawings, 3)
    assert large.shape == (48, 96, 96, 3)
    for row, column in [(0, 0), (1, 2), (2, 1)]:
        assert (large[:, row::3, column::3] == drawings).all()


def test_a_sheet_has_captions_below_the_images(tmp_path: Path, drawings: np.ndarray) -> None:
    captions = ["ab", "a name that is too long for its image", ""]
    save_sheet(tmp_path / "s.png", drawings[:3], columns=8, captions=captions)
    images = cells(tmp_path / "s.png", 3, 32, 48)
    assert (images[:, :32] == drawings[:3]).all()
    ink = (images[:, 32:] < 128).any(axis=3)
    assert 10 < np.flatnonzero(ink[0].any(axis=0)).mean() < 22
    assert np.ptp(np.flatnonzero(ink[1].any(axis=0))) > 20
    assert not ink[2].any()


def test_outputs_of_the_wrong_kind_are_rejected(workspace: Path) -> None:
    (workspace / "full").mkdir()
    (workspace / "full" / "a").touch()
    (workspace / "empty.v1").mkdir()
    (workspace / "file").touch()
    for output in ("new", "empty.v1", "x.png", "x.PNG", "deep/er/x"):
        check_output(Path(output), SHEET, FOLDER)
    for output, words in {
        "full": "is not an empty folder",
        ".": "is not an empty folder",
        "file": "is not an empty folder",
        "x.jpg": r"one of: \.png, none \(a new folder\)",
        "x.mp4": "must be one of",
        f"{300 * 'x'}.png": "File name too long",
    }.items():
        with pytest.raises(PipelineError, match=words):
            check_output(Path(output), SHEET, FOLDER)
    for output in ("empty.v1", "x", "x.gif"):
        with pytest.raises(PipelineError, match=r"must be one of: \.png\."):
            check_output(Path(output), SHEET)


def test_a_port_in_use_is_found() -> None:
    with socket.socket() as server:
        server.bind((HOST, 0))
        port = server.getsockname()[1]
        check_port(port)
        server.listen()
        with pytest.raises(PipelineError, match=f"Port {port} is in use"):
            check_port(port)
