from __future__ import annotations

from pathlib import Path

import pytest
import torch

from stages import turns
from stages.turns import gpus_to_itself
from tests.conftest import ROOT, start_process

# Another training of the same repository, which sees the GPUs in another order.
OTHER = """
import time
from stages import turns
turns.visible_gpus = lambda: ["GPU-b", "GPU-a"]
import torch
torch.cuda.set_device = lambda index: print(turns.visible_gpus()[index], flush=True)
with turns.gpus_to_itself({count}):
    print("has it", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[int]:
    """Two GPUs that are there; the numbers of those that become torch's current one."""
    chosen: list[int] = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    monkeypatch.delenv("POKEGAN_SHARE_GPU", raising=False)
    monkeypatch.setattr(turns, "visible_gpus", lambda: ["GPU-a", "GPU-b"])
    monkeypatch.setattr(turns, "A_LOOK", 0.05)
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    return chosen


def test_each_training_gets_a_gpu_of_its_own(taken: list[int]) -> None:
    with gpus_to_itself(1), gpus_to_itself(1):
        assert taken == [0, 1]
    with gpus_to_itself(1):
        assert taken == [0, 1, 0]


def test_the_next_one_waits_and_says_so(
    taken: list[int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Another process, which holds both, is waited for until it is gone."""
    other = start_process(tmp_path, "-c", OTHER.format(count=2), PYTHONPATH=str(ROOT))
    assert other.stdout is not None
    assert other.stdout.readline() == "has it\n"

    def look(_: float) -> None:
        other.kill()
        other.wait()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(turns.time, "sleep", look)
        with gpus_to_itself(1):
            assert taken == [0]
    assert capsys.readouterr().err.count("All GPUs are held by other trainings") == 1


def test_a_gpu_is_known_by_more_than_its_number(taken: list[int], tmp_path: Path) -> None:
    with gpus_to_itself(1):
        other = start_process(tmp_path, "-c", OTHER.format(count=1), PYTHONPATH=str(ROOT))
        assert other.stdout is not None
        assert other.stdout.readline() == "GPU-b\n"
        other.kill()
        other.wait()


def test_sharing_is_allowed_when_asked_for(
    taken: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POKEGAN_SHARE_GPU", "1")
    with gpus_to_itself(1), gpus_to_itself(1), gpus_to_itself(1):
        assert taken == []


def test_without_a_gpu_nobody_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with gpus_to_itself(1), gpus_to_itself(4):
        assert not (tmp_path / ".work").exists()
