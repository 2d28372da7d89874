import json
import os
import re
import shutil
import signal
import subprocess
import time
import traceback
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

import pokegan.networks.weights  # noqa: F401  # all code that a fingerprint covers
from pokegan.training.monitor import TrainingMonitor
from stages.train import train
from tests.conftest import (
    ROOT,
    STRENGTHS,
    TINY,
    Stage,
    assert_one_sentence,
    augmentation,
    disable_tracking,
    set_params,
    start_process,
    succeed,
)
from tests.tracking.toy import points, runs, store

LONG = {**TINY, "dcgan819.epochs": 40, "dcgan819.snapshots": 10}
TIMES = ["seconds", "pictures_per_second"]
IMAGES = np.random.default_rng(0).integers(0, 256, (48, 32, 32, 3), dtype=np.uint8)
TRAIN = ("train", "dcgan819", "pictures.npy")


def make_place(folder: Path) -> Path:
    """Prepare a folder for processes that train in it."""
    for name in ("stages", "pokegan"):
        (folder / name).symlink_to(ROOT / name)
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, folder)
    np.save(folder / "pictures.npy", IMAGES)
    set_params(folder, LONG)
    return folder


@pytest.fixture
def place(workspace: Path, empty_store: Path) -> Path:
    shutil.copy(empty_store, workspace)
    return make_place(workspace)


def start(place: Path, **env: str) -> subprocess.Popen[str]:
    return start_process(place, "-m", "stages.train", *TRAIN[1:], "out/model", "out/history", **env)


def wait_for_rows(history: Path, count: int) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if history.exists() and len(history.read_text().splitlines()) > count:
            return
        time.sleep(0.01)
    raise AssertionError(f"{history} has not grown to {count} rows")


def read_files(folder: Path) -> dict[str, bytes]:
    """The bytes of the model and of samples.npz by path."""
    files = [*(folder / "model").rglob("*"), folder / "history/samples.npz"]
    return {f.relative_to(folder).as_posix(): f.read_bytes() for f in files if f.is_file()}


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The outputs of an uninterrupted training."""
    place = make_place(tmp_path_factory.mktemp("straight"))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        disable_tracking(patch)
        succeed(CliRunner().invoke(train, [*TRAIN[1:], "out/model", "out/history"]))
    return place / "out"


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_stopped_training_resumes(place: Path, straight: Path, number: signal.Signals) -> None:
    """It ends with the same bytes as an uninterrupted one, as one run in MLflow."""
    process = start(place, POKEGAN_SAVE_EVERY="0.001")
    wait_for_rows(place / "out/history/history.csv", 8)
    process.send_signal(number)
    _, output = process.communicate(timeout=60)
    assert process.returncode == {signal.SIGTERM: 143, signal.SIGKILL: -9}[number], output
    assert not (place / "out/model").exists()
    (stopped,) = runs(store(place))

    second = start(place)
    _, again = second.communicate(timeout=120)
    assert second.returncode == 0, again
    (step,) = re.findall(r"dcgan819: resumes after step (\d+)", again)
    assert int(step) > 0
    if number != signal.SIGKILL:
        assert f"Stopped after step {step}; run it again to resume." in output
        assert stopped.info.status == "KILLED"
    (finished,) = runs(store(place))
    assert finished.info.run_id == stopped.info.run_id
    assert finished.info.status == "FINISHED"

    assert read_files(place / "out") == read_files(straight)
    tables = [pd.read_csv(f / "history/history.csv") for f in (place / "out", straight)]
    pd.testing.assert_frame_equal(*(table.drop(columns=TIMES) for table in tables))
    assert tables[0]["seconds"].is_monotonic_increasing
    logged = points(store(place), finished)["generator_loss"]
    assert [step for step, _ in logged] == tables[0]["step"].tolist()
    assert not list((place / ".work/train@dcgan819").iterdir())


def stop_at(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """Send SIGTERM to this process after a step of the next training."""
    on_step = TrainingMonitor.on_step

    def interrupted(self: TrainingMonitor, result: Any) -> None:
        on_step(self, result)
        if result.step == step:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(TrainingMonitor, "on_step", interrupted)


def test_changed_parameters_start_a_new_training(
    place: Path, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_params(place, TINY)
    with monkeypatch.context() as patch:
        stop_at(patch, 2)
        stopped = stage(*TRAIN, "m", "h")
    assert stopped.exit_code == 143
    assert stopped.exc_info is not None
    traceback.clear_frames(stopped.exc_info[2])  # the lock ends with the process
    set_params(place, {"lr": 0.0003})
    changed = stage(*TRAIN, "m", "h")
    assert changed.exit_code == 0, changed.output
    assert "resumes" not in changed.output
    # The first state remains for its own parameters.
    assert len(list((place / ".work/train@dcgan819").glob("*/state.pt"))) == 1
    set_params(place, TINY)
    assert "dcgan819: resumes after step 2" in stage(*TRAIN, "m", "h").output


def test_a_second_process_with_the_same_parameters_is_refused(
    place: Path, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_params(place, {**TINY, "dcgan819.epochs": 0.01})
    results, on_step = [], TrainingMonitor.on_step

    def start_another(self: TrainingMonitor, result: Any) -> None:
        results.append(stage(*TRAIN, "m2", "h2"))
        on_step(self, result)

    monkeypatch.setattr(TrainingMonitor, "on_step", start_another)
    succeed(stage(*TRAIN, "m", "h"))
    (refused,) = results
    assert_one_sentence(refused, "another process runs train@dcgan819 with the same parameters")


def test_a_divergence_is_reported(place: Path, stage: Stage) -> None:
    set_params(place, {**TINY, "lr": 1e18, "dcgan819.snapshots": 4})
    result = stage(*TRAIN, "m", "h", "--save-every", "0")
    assert_one_sentence(result, "by step", "the training has diverged; lower lr")
    assert not Path("m").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dcgan819.batch_size": 49}, "holds only 48 pictures"),
        ({"dcgan819.batch_size": 13}, "13, which 2 processes cannot share evenly"),
    ],
)
def test_an_unsuitable_batch_size_is_reported(
    place: Path, stage: Stage, changes: dict[str, Any], message: str
) -> None:
    set_params(place, changes)
    assert_one_sentence(stage(*TRAIN, "m", "h", "--processes", "2"), "dcgan819.batch_size", message)


def test_a_network_without_a_learning_rate_is_an_error(place: Path, stage: Stage) -> None:
    """dvc.yaml declares the network's own rate, which is null."""
    pipeline = Path("dvc.yaml").read_text()
    own, count = re.subn(r"(dcgan819: \{.*)lr: lr\}", r"\1lr: dcgan819.lr}", pipeline)
    assert count == 1
    Path("dvc.yaml").write_text(own)
    assert_one_sentence(
        stage(*TRAIN, "m", "h"), "dcgan819.lr is null", "set dcgan819.lr in params.yaml"
    )
    set_params(place, {"dcgan819.lr": 0.001})
    assert stage(*TRAIN, "m", "h").exit_code == 0
    params = json.loads(Path("h/run.json").read_text())["params"]
    assert params["dcgan819.lr_generator"] == 0.001
    assert "lr" not in params


@pytest.mark.parametrize(
    ("option", "name"), [("--save-every=-1", "--save-every"), ("--processes=0", "--processes")]
)
def test_bad_options_are_reported(stage: Stage, option: str, name: str) -> None:
    result = stage("train", "dcgan819", "a", "b", "c", option)
    assert result.exit_code == 2
    assert name in result.output


@pytest.mark.parametrize("name", ["dcgan819", "aegan"])
def test_augmentation_changes_the_weights_and_adds_examples(
    place: Path, stage: Stage, name: str
) -> None:
    trained = {}
    for kinds in ([], STRENGTHS):
        strengths = augmentation(*kinds).model_dump()
        set_params(place, {**TINY, f"{name}.augmentation": strengths})
        to = f"with_{len(kinds)}"
        succeed(stage("train", name, "pictures.npy", f"{to}/model", f"{to}/history"))
        with np.load(f"{to}/history/samples.npz") as samples:
            shapes = {key: samples[key].shape for key in samples}
        trained[to] = read_files(place / to)
        params = json.loads(Path(f"{to}/history/run.json").read_text())["params"]
        assert (
            strengths.items()
            == {
                key.rpartition(".")[2]: value
                for key, value in params.items()
                if key.startswith(f"{name}.augmentation.")
            }.items()
        )
        assert set(shapes) == {"epochs", "pictures"} | ({"true", "seen"} if kinds else set())
    assert shapes["true"] == (8, 32, 32, 3)
    assert shapes["seen"] == (3, 8, 32, 32, 3)
    plain, augmented = trained.values()
    assert plain.keys() == augmented.keys()
    assert all(plain[f] != augmented[f] for f in plain if f.endswith(".safetensors"))


def test_the_outputs_of_a_training(place: Path, stage: Stage) -> None:
    set_params(place, TINY)
    succeed(stage(*TRAIN, "m", "h"))
    history = pd.read_csv("h/history.csv")
    metrics = ["discriminator_loss", "generator_loss", "d_real", "d_fake"]
    metrics += ["discriminator_gradient", "generator_gradient", "diversity", "collapsed"]
    assert history.columns.tolist() == ["epoch", "step", *metrics, *TIMES]
    assert history["step"].tolist() == [2, 4]
    first = history.iloc[0]
    assert first["pictures_per_second"] == pytest.approx(24 / first["seconds"], rel=1e-3)
    record = json.loads(Path("h/run.json").read_text())
    assert {"device_name", "threads", "date", "git_commit", "torch"} <= record.keys()
    assert record["params"]["dcgan819.lr_generator"] == 0.0002
    assert (record["pictures"], record["epochs"], record["steps"]) == (48, 1, 4)
    assert record["generator_parameters"] > 0
    files = {path.relative_to("m").as_posix() for path in Path("m").rglob("*") if path.is_file()}
    networks = {"generator.safetensors", "discriminator.safetensors", "config.json"}
    assert files == networks | {"snapshots/2.safetensors", "snapshots/4.safetensors"}
