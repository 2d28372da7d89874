import json
import os
import shutil
import signal
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from pokegan.compute.distributed import BatchNorm, ProcessGroup, process_group
from tests.compute.train_processes import CASES, train
from tests.conftest import ROOT, TINY, Stage, run, set_params, start_process, succeed
from tests.tracking.toy import points, runs, store

TWO = {"POKEGAN_PROCESSES": "2", "OMP_NUM_THREADS": "1"}


@pytest.fixture
def repository(workspace: Path, drawings: np.ndarray, empty_store: Path) -> Path:
    shutil.copy(empty_store, workspace)
    (workspace / "stages").symlink_to(ROOT / "stages")
    np.save(workspace / "images.npy", drawings)
    return workspace


def run_two(repository: Path, name: str, to: str = "a") -> str:
    """Train with two processes; return the standard error."""
    command = ["-m", "stages.train", name, "images.npy", f"{to}/model", f"{to}/history"]
    return run(sys.executable, *command, cwd=repository, **TWO).stderr


@pytest.mark.slow
def test_a_step_of_two_processes_is_that_of_one(workspace: Path) -> None:
    """Same images and random numbers, gradients and batch norm over both: equal up to rounding."""
    train(workspace)
    torchrun = ["torchrun", "--standalone", "--nproc-per-node", "2", "-m"]
    path = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    run(*torchrun, "tests.compute.train_processes", str(workspace), cwd=workspace, **path)
    one, two = (torch.load(workspace / f"{count}.pt") for count in (1, 2))
    for name, kinds in CASES:
        expected, found = (each[f"{name} {kinds}"] for each in (one, two))
        assert expected.keys() == found.keys()
        for key, value in expected.items():
            first, second = value.float(), found[key].float()
            close = torch.allclose(second, first, rtol=1e-3, atol=1e-5)
            if name == "projected" and key.startswith("generator") and key.endswith("gradient"):
                # Rounding changes which of two nearly equal features passes a maximum pooling: latents
                # that differ by 1e-6 change this gradient by up to 0.6 % in a single process, too.
                close = (second - first).norm() < 0.01 * first.norm()
            assert close, (name, kinds, key)
    assert one["collectives"] == (1, 10, [0], "of process 0")
    assert two["collectives"] == (2, 11, [0, 1], "of process 0")


@pytest.mark.slow
def test_two_processes_train_like_one_and_only_the_main_one_writes(
    repository: Path, stage: Stage
) -> None:
    assert run_two(repository, "aegan").count("| 0/48 ") == 1  # one progress bar
    (found,) = runs(store(repository))
    logged = points(store(repository), found)["generator_loss"]
    assert len(logged) == len(pd.read_csv(repository / "a/history/history.csv"))
    assert json.loads((repository / "a/history/run.json").read_text())["processes"] == 2

    succeed(stage("train", "aegan", "images.npy", "b/model", "b/history"))
    histories = [pd.read_csv(repository / f"{folder}/history/history.csv") for folder in "ab"]
    measures = [each.drop(columns=["seconds", "pictures_per_second"]) for each in histories]
    # Adam turns rounding errors of tiny gradients into steps of full size.
    np.testing.assert_allclose(*measures, rtol=0.05, atol=0.02)


@pytest.mark.slow
def test_two_interrupted_processes_resume_to_the_same_weights(repository: Path) -> None:
    """After a signal to all of them, as a cluster sends it."""
    set_params(repository, {**TINY, "dcgan819.epochs": 20, "dcgan819.dropout_discriminator": 0.1})
    command = ["stages.train", "dcgan819", "images.npy", "a/model", "a/history"]
    first = start_process(repository, "-m", *command, **TWO)
    history, deadline = repository / "a/history/history.csv", time.monotonic() + 60
    while not history.exists() or len(history.read_text().splitlines()) < 4:
        assert time.monotonic() < deadline
        assert first.poll() is None, first.communicate()[1]
        time.sleep(0.02)
    children = Path(f"/proc/{first.pid}/task/{first.pid}/children").read_text().split()
    for process in [*map(int, children), first.pid]:
        os.kill(process, signal.SIGTERM)
    _, output = first.communicate(timeout=60)
    assert first.returncode != 0
    assert "Traceback" not in output
    assert output.count("Stopped after step") == 1
    assert "dcgan819: resumes after step" in run_two(repository, "dcgan819")
    run_two(repository, "dcgan819", "b")

    def weights(folder: str) -> dict[Path, bytes]:
        model = repository / folder / "model"
        return {each.relative_to(model): each.read_bytes() for each in model.rglob("*.safetensors")}

    assert len(weights("a")) > 2
    assert weights("a") == weights("b")


def test_shards_cover_the_batch_once() -> None:
    batch = torch.arange(12)
    shards = [ProcessGroup(rank, 3).shard(batch) for rank in range(3)]
    assert sorted(torch.cat(shards).tolist()) == batch.tolist()
    assert {len(shard) for shard in shards} == {4}


def test_one_process_is_a_group_of_its_own() -> None:
    with process_group() as group:
        assert (group.is_main, group.rank, group.count) == (True, 0, 1)


def test_batch_norm_of_nearly_constant_channels(tmp_path: Path) -> None:
    """E[x²] − E[x]² would lose their variance in fp32."""
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1
    )
    try:
        batch = 30 + 0.01 * torch.randn(64, 3, 4, 4, generator=torch.Generator().manual_seed(0))
        ours, torchs = BatchNorm(3), torch.nn.BatchNorm2d(3)
        assert torch.allclose(ours(batch), torchs(batch), atol=1e-2)
        assert torch.allclose(ours.running_var, torchs.running_var, rtol=1e-3)
    finally:
        torch.distributed.destroy_process_group()
