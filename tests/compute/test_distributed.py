"""Two processes on this machine train as one."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from pokegan.compute.distributed import BatchNorm, ProcessGroup
from tests.conftest import ROOT, TINY, environment, run, set_params


@pytest.fixture
def repository(workspace: Path, drawings: np.ndarray) -> Path:
    for name in ("stages", "pokegan"):
        (workspace / name).symlink_to(ROOT / name)
    np.save(workspace / "pictures.npy", drawings)
    return workspace


def train(
    repository: Path, to: str, name: str = "aegan", **env: str
) -> subprocess.CompletedProcess:
    command = ["-m", "stages.train", name, "pictures.npy", f"{to}/model", f"{to}/story"]
    return run(sys.executable, *command, cwd=repository, check=False, **env)


@pytest.mark.parametrize("name", ["dcgan819", "aegan"])
def test_two_processes_end_where_one_does(repository: Path, name: str) -> None:
    """Same batches, same draws, batch norm and gradients over both: alike but for rounding."""
    set_params(repository, {**TINY, f"{name}.epochs": 2, f"{name}.label_noise": 0.1})
    one = train(repository, "one", name)
    two = train(repository, "two", name, POKEGAN_PROCESSES="2", OMP_NUM_THREADS="1")
    assert one.returncode == two.returncode == 0, one.stderr + two.stderr
    for file in sorted((repository / "one/model").glob("*.safetensors")):
        expected, found = load_file(file), load_file(repository / "two/model" / file.name)
        for key, value in expected.items():
            assert torch.allclose(value.float(), found[key].float(), atol=2e-4), (file.name, key)
    histories = [pd.read_csv(repository / f"{n}/story/history.csv") for n in ("one", "two")]
    timeless = [h.drop(columns=["seconds", "pictures_per_second"]) for h in histories]
    assert len(timeless[0]) == len(timeless[1]) > 1
    # Adam turns rounding of tiny gradients into steps of full size, so a few per cent remain.
    np.testing.assert_allclose(timeless[0], timeless[1], rtol=0.05, atol=0.02)
    facts = json.loads((repository / "two/story/run.json").read_text())
    assert facts["processes"] == 2


def test_two_processes_augment_as_one_does(repository: Path) -> None:
    """The first step: later, Adam has made steps of full size of the rounding of tiny gradients."""
    name, kinds = "aegan", ["color", "translation", "cutout"]
    set_params(repository, {**TINY, f"{name}.epochs": 0.01, f"{name}.augmentation": kinds})
    for folder in ("one", "two"):
        shutil.rmtree(repository / folder, ignore_errors=True)
    one = train(repository, "one", name)
    two = train(repository, "two", name, POKEGAN_PROCESSES="2", OMP_NUM_THREADS="1")
    assert one.returncode == two.returncode == 0, one.stderr + two.stderr
    stories = [repository / folder / "story" for folder in ("one", "two")]
    histories = [pd.read_csv(story / "history.csv") for story in stories]
    timeless = [h.drop(columns=["seconds", "pictures_per_second"]) for h in histories]
    np.testing.assert_allclose(timeless[0], timeless[1], rtol=1e-4, atol=1e-5)
    seen = [np.load(story / "samples.npz")["seen"] for story in stories]
    np.testing.assert_array_equal(*seen)


def test_one_writes(repository: Path) -> None:
    """One run in MLflow, one row a reading, one line a reading on standard error."""
    result = train(repository, "two", POKEGAN_PROCESSES="2", OMP_NUM_THREADS="1")
    assert result.returncode == 0, result.stderr
    assert result.stderr.count("48/48") == 1
    client = mlflow.MlflowClient(f"sqlite:///{repository / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("pokegan")
    (found,) = client.search_runs([experiment.experiment_id])
    points = client.get_metric_history(found.info.run_id, "generator_loss")
    assert len(points) == len(pd.read_csv(repository / "two/story/history.csv"))


def test_a_fault_of_the_user_is_one_sentence(repository: Path) -> None:
    result = train(repository, "two", POKEGAN_PROCESSES="5")
    assert result.returncode == 1
    assert "aegan.batch_size is 12, which 5 processes cannot share" in result.stderr
    assert "Traceback" not in result.stderr


def test_shares_cover_the_batch_once() -> None:
    batch = torch.arange(12)
    shares = [ProcessGroup(rank, 3).shard(batch) for rank in range(3)]
    assert sorted(torch.cat(shares).tolist()) == batch.tolist()
    assert {len(share) for share in shares} == {4}


def test_two_processes_that_are_stopped_go_on(repository: Path) -> None:
    """A signal to all of them, as a cluster sends it, loses no state; the end is the same."""
    set_params(repository, {**TINY, "dcgan819.epochs": 30, "dcgan819.dropout_discriminator": 0.1})
    two = {"POKEGAN_PROCESSES": "2", "OMP_NUM_THREADS": "1"}
    first = subprocess.Popen(
        [sys.executable, "-m", "stages.train", "dcgan819", "pictures.npy", "a/model", "a/story"],
        cwd=repository,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(**two),
    )
    history, deadline = repository / "a/story/history.csv", time.monotonic() + 60
    while time.monotonic() < deadline:
        if history.exists() and len(history.read_text().splitlines()) > 5:
            break
        time.sleep(0.02)
    children = Path(f"/proc/{first.pid}/task/{first.pid}/children").read_text().split()
    for process in [*map(int, children), first.pid]:
        os.kill(process, signal.SIGTERM)
    _, said = first.communicate(timeout=60)
    assert first.returncode != 0
    assert "Traceback" not in said
    assert said.count("Stopped after step") == 1
    again = train(repository, "a", "dcgan819", **two)
    assert "dcgan819: resumes after step" in again.stderr
    straight = train(repository, "b", "dcgan819", **two)
    assert again.returncode == straight.returncode == 0, again.stderr + straight.stderr
    models = [repository / "a/model", repository / "b/model"]
    files = [sorted(f.relative_to(m) for f in m.rglob("*.safetensors")) for m in models]
    assert files[0] == files[1]
    assert len(files[0]) > 2
    for file in files[0]:
        assert (models[0] / file).read_bytes() == (models[1] / file).read_bytes()


def test_torchrun_with_an_uneven_batch_is_named(repository: Path) -> None:
    set_params(repository, {**TINY, "aegan.batch_size": 13})
    command = ["--standalone", "--nproc-per-node", "2", "-m", "stages.train", "aegan"]
    result = run("torchrun", *command, "pictures.npy", "m", "s", cwd=repository, check=False)
    assert result.returncode != 0
    assert "aegan.batch_size is 13, which 2 processes cannot share evenly" in result.stderr
    assert not (repository / "m").exists()


def test_batch_norm_of_nearly_constant_channels(tmp_path: Path) -> None:
    """Where mean² hides the variance in fp32, two averages still find it."""
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{tmp_path}/meeting", rank=0, world_size=1
    )
    try:
        batch = 30 + 0.01 * torch.randn(64, 3, 4, 4, generator=torch.Generator().manual_seed(0))
        ours, torchs = BatchNorm(3), torch.nn.BatchNorm2d(3)
        assert torch.allclose(ours(batch), torchs(batch), atol=1e-2)
        assert torch.allclose(ours.running_var, torchs.running_var, rtol=1e-3)
    finally:
        torch.distributed.destroy_process_group()
