import dataclasses
import hashlib
from http.client import IncompleteRead
from pathlib import Path

import pytest

from pokegan.encoders import inception
from tests.cli.conftest import Pokegan
from tests.conftest import assert_one_sentence, succeed


@pytest.fixture
def release(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A local file in place of the published one."""
    file = workspace / "weights.pth"
    file.write_bytes(b"weights")
    sha256 = hashlib.sha256(b"weights").hexdigest()
    published = dataclasses.replace(inception.WEIGHTS, url=file.as_uri(), sha256=sha256)
    monkeypatch.setattr(inception, "WEIGHTS", published)
    return file


def test_weights_are_downloaded_once(pokegan: Pokegan, release: Path) -> None:
    succeed(pokegan("fetch", "inception"))
    file = release.parent / ".weights/weights.pth"
    assert file.read_bytes() == b"weights"
    assert inception.WEIGHTS.find() == file
    release.unlink()
    assert "exists already" in pokegan("fetch", "inception").output


def test_a_wrong_checksum_is_an_error(pokegan: Pokegan, release: Path) -> None:
    release.write_bytes(b"something else")
    assert_one_sentence(
        pokegan("fetch", "inception"), "could not be downloaded (invalid hash value"
    )
    assert not any((release.parent / ".weights").iterdir())


@pytest.mark.parametrize("error", [ConnectionResetError("reset"), IncompleteRead(b"half"), None])
def test_a_failed_download_is_an_error(
    pokegan: Pokegan, release: Path, monkeypatch: pytest.MonkeyPatch, error: Exception | None
) -> None:
    def fail(*_: object, **__: object) -> None:
        assert error is not None
        raise error

    if error:
        monkeypatch.setattr("torch.hub.download_url_to_file", fail)
    release.unlink()  # without an error of the connection, the file does not exist
    words = (release.name, "could not be downloaded", "try again", "POKEGAN_INCEPTION_WEIGHTS")
    assert_one_sentence(pokegan("fetch", "inception"), *words)
    assert not any((release.parent / ".weights").iterdir())


def test_an_own_copy_is_not_replaced(
    pokegan: Pokegan, release: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POKEGAN_INCEPTION_WEIGHTS", str(release))
    assert f"POKEGAN_INCEPTION_WEIGHTS selects {release}" in pokegan("fetch", "inception").output
    assert not (release.parent / ".weights").exists()
    monkeypatch.setenv("POKEGAN_INCEPTION_WEIGHTS", "/nowhere.pth")
    assert_one_sentence(pokegan("fetch", "inception"), "/nowhere.pth cannot be read", "unset")
