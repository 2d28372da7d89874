"""What the commands to play share."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from pokegan.cli.common import (
    FOLDER,
    SHEET,
    check_output,
    enlarged,
    load_drawing_generator,
    model_folder,
)
from pokegan.compute.randomness import Streams
from pokegan.core.errors import PipelineError
from pokegan.core.params import read_params
from pokegan.gans.aegan import Aegan
from pokegan.gans.dcgan import Dcgan
from pokegan.networks.sampling import sample_latents, seeded_latents
from pokegan.networks.weights import save_networks
from pokegan.report.animation import captioned
from tests.conftest import ROOT, run

CPU = torch.device("cpu")
COMMANDS = ("sample", "interpolate", "reconstruct", "neighbours")
FACTS = {"latent_dim": 8, "resolution": 32}
GAP = 2


def save_model(folder: Path, name: str = "dcgan819") -> Path:
    """An untrained model that draws in colours; its snapshot of step 2 draws plain grey."""
    params = getattr(read_params(name), name)
    gan: Any = (Aegan if name == "aegan" else Dcgan)(params, 0.0002, 32, Streams(1))
    with torch.no_grad():
        for weights in gan.generator.parameters():
            weights.mul_(4)
    weights = gan.generator.state_dict()
    blank = {key: torch.zeros_like(value) for key, value in weights.items()}
    snapshots = [(2, 0.5, blank), (4, 1.0, weights)]
    save_networks(folder, gan.networks, gan.configs, FACTS, snapshots)
    return folder


def cells(sheet: np.ndarray, columns: int, size: int, height: int | None = None) -> np.ndarray:
    """The pictures (N, HEIGHT, SIZE, 3) of a SHEET with white gaps of two pixels."""
    height = height or size
    rows, rest = divmod(len(sheet) - GAP, height + GAP)
    assert rest == 0
    assert sheet.shape[1] == columns * (size + GAP) + GAP
    return np.stack(
        [
            sheet[top : top + height, left : left + size]
            for top in range(GAP, rows * (height + GAP), height + GAP)
            for left in range(GAP, columns * (size + GAP), size + GAP)
        ]
    )


def test_latents_are_those_of_the_stream_samples() -> None:
    assert torch.equal(seeded_latents(6, 8, 3), sample_latents(6, 8, Streams(3)["samples"]))
    assert not torch.equal(seeded_latents(6, 8, 3), seeded_latents(6, 8, 4))


@pytest.mark.parametrize("latent_dim", [1, 2, 16, 100, 128])
def test_fewer_latents_are_the_first_of_more(latent_dim: int) -> None:
    many = seeded_latents(64, latent_dim, 7)
    assert many.unique().numel() > 0.99 * many.numel()
    for count in (1, 2, 5, 63):
        assert torch.equal(seeded_latents(count, latent_dim, 7), many[:count])


@pytest.mark.parametrize("truncation", [0.01, 0.3, 1.0, 2.5])
def test_truncated_latents_follow_the_truncated_normal(truncation: float) -> None:
    from scipy.stats import truncnorm

    z = seeded_latents(2000, 8, 1, truncation)
    whole = seeded_latents(2000, 8, 1)
    within = whole.abs() <= truncation
    assert torch.equal(z[within], whole[within])
    assert z.abs().max() <= truncation
    redrawn = z[~within].abs()
    assert redrawn.unique().numel() > 0.9 * redrawn.numel()
    spread = truncnorm(-truncation, truncation).std()
    assert abs(z.std() - spread) < 0.03 * spread
    assert torch.equal(z, seeded_latents(2000, 8, 1, truncation))


def test_truncation_that_touches_nothing() -> None:
    assert torch.equal(seeded_latents(2, 8, 1, 50.0), seeded_latents(2, 8, 1))


def test_a_folder_is_a_model(workspace: Path) -> None:
    assert model_folder(str(save_model(workspace / "model"))) == workspace / "model"
    for where in ("nowhere", str(workspace), "m-1", "C:/model"):
        with pytest.raises(PipelineError, match="is no trained model: it has no config.json"):
            model_folder(where)
    assert not (workspace / "mlflow.db").exists()


def test_models_in_mlflow(workspace: Path) -> None:
    """As they are logged by others: a registered pyfunc model, and files of a run."""
    from pokegan.tracking.store import import_mlflow, opened

    mlflow = import_mlflow()

    class Wrapped(mlflow.pyfunc.PythonModel):
        def predict(self, context, model_input: list[int]) -> list[int]:
            return model_input

    folder = save_model(workspace / "mine")
    with opened(mlflow) as (client, _):
        with mlflow.start_run() as run:
            logged = mlflow.pyfunc.log_model(
                name="model",
                python_model=Wrapped(),
                artifacts={"networks": str(folder)},
                pip_requirements=[],
                registered_model_name="mine",
            )
            mlflow.log_artifacts(str(folder), "files")
            mlflow.log_artifacts(str(folder), "two/first")
            mlflow.log_artifacts(str(folder), "two/second")
        client.set_registered_model_alias("mine", "best", 1)
    run_id = run.info.run_id
    for address in (
        "models:/mine@best",
        "models:/mine/1",
        logged.model_id,
        f"runs:/{run_id}/model",
        f"runs:/{run_id}/files",
    ):
        found = model_folder(address)
        assert not found.is_relative_to(workspace)
        for file in ("config.json", "generator.safetensors", "snapshots/2.safetensors"):
            assert (found / file).read_bytes() == (folder / file).read_bytes()
    with pytest.raises(PipelineError, match="one trained model .* holds first, second"):
        model_folder(f"runs:/{run_id}/two")
    with pytest.raises(PipelineError, match="holds none"):
        model_folder(f"runs:/{run_id}/files/snapshots")
    for address in ("models:/mine@worst", "models:/yours/1", f"m-{'0' * 32}", "runs:/1/model"):
        with pytest.raises(PipelineError, match=f"{address} cannot be had from MLflow"):
            model_folder(address)


def test_a_store_that_is_away_is_one_sentence(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "nowhere://store")
    with pytest.raises(PipelineError, match="cannot be had from MLflow .*MLFLOW_TRACKING_URI"):
        model_folder("models:/mine@best")


def test_a_snapshot_draws_by_its_own_weights(workspace: Path) -> None:
    folder = save_model(workspace / "model")
    latest, configuration = load_drawing_generator(folder, CPU)
    assert configuration["latent_dim"] == 8
    last, _ = load_drawing_generator(folder, CPU, 4)
    first, _ = load_drawing_generator(folder, CPU, 2)
    z = seeded_latents(3, 8, 1)
    assert torch.equal(latest(z), last(z))
    assert latest(z).std() > 0.1
    assert (first(z) == 0).all()


def test_a_step_without_a_snapshot_is_told_its_nearest(workspace: Path) -> None:
    folder = save_model(workspace / "model")
    for step, nearest in [(1, "2;"), (3, "2 and 4;"), (9, "4;")]:
        with pytest.raises(PipelineError, match=f"step {step}, the nearest is of {nearest}"):
            load_drawing_generator(folder, CPU, step)
    # A model in MLflow may come without its snapshots.
    for file in (folder / "snapshots").iterdir():
        file.unlink()
    with pytest.raises(PipelineError, match="step 2, it has none at all"):
        load_drawing_generator(folder, CPU, 2)


def test_pixels_become_squares(drawings: np.ndarray) -> None:
    large = enlarged(drawings, 3)
    assert large.shape == (48, 96, 96, 3)
    for row, column in [(0, 0), (1, 2), (2, 1)]:
        assert (large[:, row::3, column::3] == drawings).all()


def test_captions_stand_below(drawings: np.ndarray) -> None:
    long = "a name that is far too long for its picture"
    pictures = captioned(drawings[:3], ["ab", long, ""])
    assert pictures.shape == (3, 48, 32, 3)
    assert (pictures[:, :32] == drawings[:3]).all()
    ink = (pictures[:, 32:] < 128).any(axis=3)
    assert ink[0].any()
    assert 10 < np.flatnonzero(ink[0].any(axis=0)).mean() < 22
    assert np.ptp(np.flatnonzero(ink[1].any(axis=0))) > 20
    assert not ink[2].any()


def test_outputs_that_are_refused(workspace: Path) -> None:
    (workspace / "full").mkdir()
    (workspace / "full" / "a").touch()
    (workspace / "empty.v1").mkdir()
    (workspace / "file").touch()
    for output in ("new", "empty.v1", "x.png", "x.PNG", "deep/er/x"):
        check_output(Path(output), SHEET, FOLDER)
    for output, words in {
        "full": "is a folder that is not empty",
        ".": "is a folder that is not empty",
        "file": "is a file, but a folder is to be made",
        "x.jpg": r"a sheet \(.png\), a new folder",
        "x.mp4": "none of what can be written",
        "file/x/y.png": "a part of its path is a file",
        f"{300 * 'x'}.png": "File name too long",
    }.items():
        with pytest.raises(PipelineError, match=words):
            check_output(Path(output), SHEET, FOLDER)
    for output in ("empty.v1", "x", "x.gif"):
        with pytest.raises(PipelineError, match=r"none of what can be written: a sheet \(.png\);"):
            check_output(Path(output), SHEET)


def test_a_step_is_a_number_or_latest(workspace: Path) -> None:
    from pokegan.cli.sample import sample

    result = CliRunner().invoke(sample, ["model", "x.png", "--step", "first"])
    assert result.exit_code == 2
    assert "'first' is neither the number of a step nor 'latest'" in result.output


def test_help_and_faults_wait_for_no_heavy_import() -> None:
    imports = ", ".join(f"stages.{command}" for command in COMMANDS)
    heavy = "{'torch', 'mlflow', 'pandas', 'scipy', 'timm'}"
    code = f"import sys, {imports}; print(sorted({heavy} & set(sys.modules)))"
    assert run(sys.executable, "-c", code, cwd=ROOT).stdout == "[]\n"
