from __future__ import annotations

import dataclasses
import hashlib
from http.client import IncompleteRead
from pathlib import Path

import pytest

from stages.scoring.encoders import inception
from tests.conftest import Stage, assert_one_sentence


@pytest.fixture
def release(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that stands for the published one; urllib reads it by its address."""
    file = workspace / "weights.pth"
    file.write_bytes(b"weights")
    digest = hashlib.sha256(b"weights").hexdigest()
    published = dataclasses.replace(inception.WEIGHTS, url=file.as_uri(), sha256=digest)
    monkeypatch.setattr(inception, "WEIGHTS", published)
    return file


def test_weights_are_fetched_once_and_found(stage: Stage, release: Path) -> None:
    made = stage("fetch", "inception")
    assert made.exit_code == 0, made.output
    kept = release.parent / ".weights/weights.pth"
    assert kept.read_bytes() == b"weights"
    assert inception.WEIGHTS.find() == kept
    release.unlink()
    assert "is there already" in stage("fetch", "inception").output


def test_other_weights_than_published_are_not_kept(stage: Stage, release: Path) -> None:
    release.write_bytes(b"something else")
    assert_one_sentence(stage("fetch", "inception"), "is not what was published")
    assert not any((release.parent / ".weights").iterdir())


@pytest.mark.parametrize("fault", [ConnectionResetError("reset"), IncompleteRead(b"half")])
def test_a_broken_connection_is_named(
    stage: Stage, release: Path, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise fault

    monkeypatch.setattr("torch.hub.download_url_to_file", broken)
    assert_one_sentence(stage("fetch", "inception"), "could not be fetched", "try again")
    assert not any((release.parent / ".weights").iterdir())


def test_a_copy_that_is_named_elsewhere_is_left_to_its_owner(
    stage: Stage, release: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POKEGAN_INCEPTION_WEIGHTS", "/nowhere.pth")
    assert_one_sentence(stage("fetch", "inception"), "names /nowhere.pth", "unset it to fetch")


def test_no_way_to_the_weights_is_named(stage: Stage, release: Path) -> None:
    release.unlink()
    made = stage("fetch", "inception")
    assert_one_sentence(made, release.name, "could not be fetched", "POKEGAN_INCEPTION_WEIGHTS")
    assert not any((release.parent / ".weights").iterdir())
