"""The training stage as people run it: stopped, killed, gone on with, diverged, collapsed."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
import torch

from pokegan.core.checkpoint import Checkpoint
from pokegan.core.params import read_params
from pokegan.core.progress import TrainingProgress
from pokegan.tracking.run import track_run
from pokegan.training.history import Story
from pokegan.training.loop import Schedule, StepResult
from stages.train import TrainingMonitor
from tests.conftest import (
    ROOT,
    TINY,
    Stage,
    assert_one_sentence,
    environment,
    make_repository,
    run,
    set_params,
)

LONG = {**TINY, "dcgan819.epochs": 40, "dcgan819.snapshots": 10}
TIMES = ["seconds", "pictures_per_second"]
COMMAND = ("-m", "stages.train", "dcgan819", "pictures.npy")


@pytest.fixture
def place(workspace: Path, drawings: np.ndarray) -> Path:
    (workspace / "stages").symlink_to(ROOT / "stages")
    np.save(workspace / "pictures.npy", drawings)
    set_params(workspace, LONG)
    return workspace


def start(place: Path, to: str, **env: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *COMMAND, f"{to}/model", f"{to}/story"],
        cwd=place,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **env},
    )


def wait_for_rows(history: Path, count: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if history.exists() and len(history.read_text().splitlines()) > count:
            return
        time.sleep(0.01)
    raise AssertionError(f"{history} has not grown to {count} rows")


def runs(place: Path) -> list[mlflow.entities.Run]:
    client = mlflow.MlflowClient(f"sqlite:///{place / 'mlflow.db'}")
    return client.search_runs([client.get_experiment_by_name("pokegan").experiment_id])


def weights(folder: Path) -> dict[str, bytes]:
    model = folder / "model"
    files = (path for path in sorted(model.rglob("*")) if path.is_file())
    return {path.relative_to(model).as_posix(): path.read_bytes() for path in files}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_stopped_training_goes_on(place: Path, number: signal.Signals) -> None:
    """To the same bytes as a straight one, in its own run, as one curve."""
    process = start(place, "stopped", POKEGAN_SAVE_EVERY="0.001")
    wait_for_rows(place / "stopped/story/history.csv", 8)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    status = {signal.SIGTERM: 143, signal.SIGINT: 1, signal.SIGKILL: -9}[number]
    assert process.returncode == status, said
    assert not (place / "stopped/model").exists()
    (stopped,) = runs(place)
    if number != signal.SIGKILL:
        assert re.search(r"Stopped after step (\d+); run it again to go on after step \1\.", said)
        assert stopped.info.status == "KILLED"

    second = start(place, "stopped")
    _, said = second.communicate(timeout=120)
    assert second.returncode == 0, said
    (step,) = re.findall(r"dcgan819: goes on after step (\d+)", said)
    assert int(step) > 0
    (finished,) = runs(place)
    assert finished.info.run_id == stopped.info.run_id
    assert finished.info.status == "FINISHED"

    straight = start(place, "straight")
    straight.communicate(timeout=120)
    assert weights(place / "stopped") == weights(place / "straight")
    assert len(weights(place / "straight")) == 3 + 10
    tables = [pd.read_csv(place / f"{n}/story/history.csv") for n in ("stopped", "straight")]
    pd.testing.assert_frame_equal(*(table.drop(columns=TIMES) for table in tables))
    assert tables[0]["seconds"].is_monotonic_increasing
    with (
        np.load(place / "stopped/story/samples.npz") as one,
        np.load(place / "straight/story/samples.npz") as two,
    ):
        np.testing.assert_array_equal(one["pictures"], two["pictures"])
        assert len(one["epochs"]) == 10
    client = mlflow.MlflowClient(f"sqlite:///{place / 'mlflow.db'}")
    points = client.get_metric_history(finished.info.run_id, "generator_loss")
    assert [point.step for point in points] == tables[0]["step"].tolist()
    assert not list((place / ".work/train_dcgan819").iterdir())


def test_changed_parameters_begin_anew(place: Path) -> None:
    process = start(place, "a")
    wait_for_rows(place / "a/story/history.csv", 5)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    set_params(place, {"lr": 0.0003, "dcgan819.epochs": 1})
    second = start(place, "a")
    _, said = second.communicate(timeout=60)
    assert second.returncode == 0
    assert "goes on" not in said
    # The stopped one waits for its own parameters.
    assert len(list((place / ".work/train_dcgan819").glob("*/state.pt"))) == 1
    set_params(place, LONG)
    third = start(place, "a")
    _, said = third.communicate(timeout=120)
    assert "goes on after step" in said


def test_dvc_repro_goes_on_after_ctrl_c(tmp_path: Path, drawings: np.ndarray) -> None:
    repository = make_repository(tmp_path, **LONG)
    np.save(repository / "data/pokemon2457.npy", drawings)
    process = subprocess.Popen(
        ["dvc", "repro", "-s", "train_dcgan819"],
        cwd=repository,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        env=environment(),
        start_new_session=True,
    )
    wait_for_rows(repository / "reports/dcgan819/history.csv", 10)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    _, said = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "Stopped after step" in said
    again = run("dvc", "repro", "-s", "train_dcgan819", cwd=repository)
    assert "dcgan819: goes on after step" in again.stderr
    assert (repository / "models/dcgan819/generator.safetensors").exists()
    assert "train_dcgan819" in (repository / "dvc.lock").read_text()


def test_a_divergence_is_named(place: Path, stage: Stage) -> None:
    set_params(place, {**TINY, "lr": 1e18, "dcgan819.snapshots": 4})
    result = stage("train", "dcgan819", "pictures.npy", "m", "s", "--save-every", "0")
    assert_one_sentence(result, "at step", "the training has diverged; lower lr", "last good state")
    assert not Path("m").exists()


def test_a_second_process_with_the_same_parameters_is_refused(place: Path) -> None:
    first = start(place, "a")
    wait_for_rows(place / "a/story/history.csv", 2)
    first.send_signal(signal.SIGSTOP)  # it must not come to its end before the second begins
    second = start(place, "b")
    _, said = second.communicate(timeout=60)
    first.kill()
    first.communicate()
    assert second.returncode == 1
    assert "another process runs train_dcgan819 with these very parameters" in said
    assert "Traceback" not in said


def test_a_collapse_is_flagged_once(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def moment(step: int, collapsed: float) -> StepResult:
        means = {"generator_loss": 1.0, "diversity": 0.05, "collapsed": collapsed}
        return StepResult(step, step / 4, {"generator_loss": torch.tensor(1.0)}, means)

    with track_run("train_dcgan819", read_params("dcgan819")) as told:
        shown = TrainingProgress("dcgan819", Schedule(48, 12, 2, 1))
        watch = TrainingMonitor(
            Story(Path("s"), 12), shown, told, Checkpoint("train_dcgan819", "f"), 60
        )
        for step, collapsed in ((1, 0.0), (2, 1.0), (3, 1.0)):
            watch.see(moment(step, collapsed))
    assert capsys.readouterr().err.count("Warning: at step 2 the samples are nearly alike") == 1
    (found,) = runs(place)
    assert found.data.tags["collapsed"] == "at step 2"
    assert found.data.metrics["collapsed"] == 1
    assert pd.read_csv("s/history.csv")["collapsed"].tolist() == [0, 1, 1]


@pytest.mark.parametrize(
    ("option", "words"), [("--save-every=-1", "--save-every"), ("--processes=0", "--processes")]
)
def test_bad_options_are_named(stage: Stage, option: str, words: str) -> None:
    result = stage("train", "dcgan819", "a", "b", "c", option)
    assert result.exit_code == 2
    assert words in result.output


@pytest.mark.parametrize("name", ["dcgan819", "aegan"])
def test_augmentation_is_trained_with_and_shown(place: Path, stage: Stage, name: str) -> None:
    """Other weights, and examples of what D sees; without it the samples alone."""
    trained = {}
    for kinds in ([], ["color", "translation", "cutout"]):
        set_params(place, {**TINY, f"{name}.augmentation": kinds})
        to = f"with_{len(kinds)}"
        made = stage("train", name, "pictures.npy", f"{to}/model", f"{to}/story")
        assert made.exit_code == 0, made.output
        with np.load(f"{to}/story/samples.npz") as samples:
            held = {key: samples[key].shape for key in samples}
        trained[to] = weights(place / to)
        found = json.loads(Path(f"{to}/story/run.json").read_text())["params"]
        assert found[f"{name}.augmentation"] == kinds
        assert set(held) == {"epochs", "pictures"} | ({"true", "seen"} if kinds else set())
    assert held["true"] == (8, 32, 32, 3)
    assert held["seen"] == (3, 8, 32, 32, 3)
    of_both = trained["with_0"].keys() & trained["with_3"].keys() - {"config.json"}
    assert all(trained["with_0"][key] != trained["with_3"][key] for key in of_both)


def test_history_holds_what_it_promises(place: Path, stage: Stage) -> None:
    set_params(place, TINY)
    assert stage("train", "dcgan819", "pictures.npy", "m", "s").exit_code == 0
    history = pd.read_csv("s/history.csv")
    wanted = {"epoch", "step", "generator_loss", "discriminator_loss", "d_real", "d_fake"}
    wanted |= {"generator_gradient", "discriminator_gradient", "diversity", "collapsed", *TIMES}
    assert wanted == set(history.columns)
    assert (history["pictures_per_second"] > 0).all()
    rows: Any = history["step"] * 12 / history["seconds"]
    assert rows.iloc[0] == pytest.approx(history["pictures_per_second"].iloc[0], rel=1e-3)
