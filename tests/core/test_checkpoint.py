import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pokegan.core import checkpoint
from pokegan.core.checkpoint import Checkpoint, fingerprint
from pokegan.core.errors import PipelineError

STATE = {"training": {"step": 3, "weights": torch.arange(1000.0)}, "run_id": None}


@pytest.fixture
def file(workspace: Path) -> Path:
    """The file of a saved state."""
    opened = Checkpoint("train@x", "abc")
    assert opened.open() is None
    assert opened.save(STATE)
    return opened.path


def test_a_saved_state_is_loaded(file: Path) -> None:
    state = Checkpoint("train@x", "abc").open()
    assert state is not None
    assert state["training"]["step"] == 3
    assert torch.equal(state["training"]["weights"], STATE["training"]["weights"])
    assert file == Path.cwd() / ".work/train@x/abc/state.pt"


def flip(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


DAMAGES = [flip, *(lambda content, length=length: content[:length] for length in (0, 10, 200, -1))]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_state_is_reported_and_renamed(
    file: Path, damage: Callable[[bytes], bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    content = damage(file.read_bytes())
    file.write_bytes(content)
    assert Checkpoint("train@x", "abc").open() is None
    assert f"{file} is damaged; it was renamed to state.pt.damaged" in capsys.readouterr().err
    assert file.with_name("state.pt.damaged").read_bytes() == content
    assert not file.exists()


def test_a_full_disk_keeps_the_previous_state(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    opened = Checkpoint("train@x", "abc")
    opened.open()
    assert not opened.save({"training": {"step": 4}})
    assert "the disk is full" in capsys.readouterr().err
    assert sorted(path.name for path in file.parent.iterdir()) == ["lock", "state.pt"]
    del opened
    state = Checkpoint("train@x", "abc").open()
    assert state is not None
    assert state["training"]["step"] == 3


def test_one_process_at_a_time(file: Path) -> None:
    first = Checkpoint("train@x", "abc")
    assert first.open()
    with pytest.raises(PipelineError, match="another process runs train@x with the same"):
        Checkpoint("train@x", "abc").open()
    assert Checkpoint("train@x", "other").open() is None


def test_an_unusable_folder_is_reported(workspace: Path) -> None:
    (workspace / ".work").write_text("a file")
    with pytest.raises(PipelineError, match="train@x/abc cannot be used"):
        Checkpoint("train@x", "abc").open()


def test_temporary_files_of_a_killed_process_are_removed(file: Path) -> None:
    partial = file.with_name(".state.pt.99999999.partial")
    partial.write_bytes(b"half")
    assert Checkpoint("train@x", "abc").open()
    assert not partial.exists()


def test_success_removes_the_state_only(file: Path) -> None:
    opened = Checkpoint("train@x", "abc")
    opened.open()
    file.with_name("state.pt.damaged").write_bytes(b"torn")
    opened.remove()
    assert [path.name for path in file.parent.iterdir()] == ["state.pt.damaged"]
    other = Checkpoint("train@x", "other")
    other.open()
    other.remove()
    assert not other.path.parent.exists()


def test_the_fingerprint_covers_what_decides_the_result(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pokegan.core.progress
    import stages.train  # noqa: F401

    images = np.zeros((2, 4, 4, 3), np.uint8)
    config: dict[str, Any] = {"lr": 0.1, "precision": "fp32"}
    expected = fingerprint(images, config)
    assert fingerprint(images.copy(), dict(config)) == expected
    assert fingerprint(images + 1, config) != expected
    assert fingerprint(images.reshape(4, 4, 2, 3), config) != expected
    assert fingerprint(images, {**config, "lr": 0.2}) != expected
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "FORMAT", 999)
        assert fingerprint(images, config) != expected

    read = Path.read_bytes

    def edited(name: str) -> str:
        def changed(path: Path) -> bytes:
            return read(path) + (b"# a comment" if path.match(name) else b"")

        monkeypatch.setattr(Path, "read_bytes", changed)
        return fingerprint(images, config)

    import pokegan.training.loop  # noqa: F401

    expected = edited("none")
    for decisive in ("pokegan/training/loop.py", "pokegan/networks/factory.py", "stages/train.py"):
        assert edited(decisive) != expected
    assert edited("pokegan/core/progress.py") == expected
