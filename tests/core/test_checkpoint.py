from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pokegan.core.checkpoint import Checkpoint, fingerprint
from pokegan.core.errors import PipelineError
from stages import checkpoint

STATE = {"training": {"step": 3, "weights": torch.arange(1000.0)}, "run_id": None}


@pytest.fixture
def saved(workspace: Path) -> Checkpoint:
    this = Checkpoint("train_x", "abc")
    assert this.open() is None
    assert this.save(STATE)
    return this


def test_a_state_comes_back(saved: Checkpoint) -> None:
    state = saved.load()
    assert state is not None
    assert state["training"]["step"] == 3
    assert torch.equal(state["training"]["weights"], STATE["training"]["weights"])
    assert saved.path == Path.cwd() / ".work/train_x/abc/state.pt"


@pytest.mark.parametrize("cut", [0, 10, 200, -1])
def test_a_torn_state_is_named_and_set_aside(
    saved: Checkpoint, cut: int, capsys: pytest.CaptureFixture[str]
) -> None:
    content = saved.path.read_bytes()[:cut]
    for number in (1, 2):
        saved.path.write_bytes(content)
        assert saved.load() is None
        said = capsys.readouterr().err
        assert f"{saved.path} is torn" in said
        assert saved.path.with_name(f"state.pt.refused{number}").read_bytes() == content
    assert not saved.path.exists()


def test_a_flipped_bit_is_seen(saved: Checkpoint) -> None:
    content = bytearray(saved.path.read_bytes())
    content[len(content) // 2] ^= 1
    saved.path.write_bytes(content)
    assert saved.load() is None


def test_a_state_of_another_version_is_refused(
    saved: Checkpoint, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(checkpoint, "FORMAT", 2)
    assert saved.load() is None
    assert "is of format 1, not 2; it is kept as state.pt.refused1" in capsys.readouterr().err


def test_a_full_disk_leaves_the_last_good_state(
    saved: Checkpoint, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    assert not saved.save({"training": {"step": 4}})
    assert "the disk is full" in capsys.readouterr().err
    state = saved.load()
    assert state is not None
    assert state["training"]["step"] == 3
    assert sorted(path.name for path in saved.path.parent.iterdir()) == ["lock", "state.pt"]


def test_one_process_at_a_time(saved: Checkpoint) -> None:
    with pytest.raises(PipelineError, match="another process runs train_x with these very"):
        Checkpoint("train_x", "abc").open()
    assert Checkpoint("train_x", "other").open() is None
    saved.release()
    assert Checkpoint("train_x", "abc").open()


def test_an_unusable_place_is_named(workspace: Path) -> None:
    (workspace / ".work").write_text("a file")
    with pytest.raises(PipelineError, match="train_x/abc cannot be used"):
        Checkpoint("train_x", "abc").open()


def test_what_a_kill_left_half_written_is_swept(saved: Checkpoint) -> None:
    partial = saved.path.with_name(".state.pt.4711.partial")
    partial.write_bytes(b"half")
    saved.release()
    assert Checkpoint("train_x", "abc").open()
    assert not partial.exists()


def test_success_takes_the_state_away_and_nothing_else(saved: Checkpoint) -> None:
    saved.remove()
    assert not saved.path.parent.exists()
    kept = Checkpoint("train_x", "abc")
    kept.open()
    kept.path.with_name("state.pt.refused1").write_bytes(b"torn")
    kept.save(STATE)
    kept.remove()
    assert [path.name for path in kept.path.parent.iterdir()] == ["state.pt.refused1"]


def test_what_decides_the_result_decides_the_fingerprint(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pokegan.core.progress  # noqa: F401

    pictures = np.zeros((2, 4, 4, 3), np.uint8)
    facts: dict[str, Any] = {"lr": 0.1, "precision": "fp32"}
    own = fingerprint(pictures, facts)
    assert own == fingerprint(pictures.copy(), dict(facts))
    assert own != fingerprint(pictures + 1, facts)
    assert own != fingerprint(pictures.reshape(4, 4, 2, 3), facts)
    assert own != fingerprint(pictures, {**facts, "lr": 0.2})

    read = Path.read_bytes

    def edited(name: str) -> str:
        def changed(path: Path) -> bytes:
            return read(path) + (b"# a remark" if path.name == name else b"")

        monkeypatch.setattr(Path, "read_bytes", changed)
        return fingerprint(pictures, facts)

    assert edited("dcgan.py") != own
    assert edited("progress.py") == own
