"""A package registry on this machine, for the real npm client."""

import http.server
import io
import json
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest


def pack(files: dict[str, bytes]) -> bytes:
    """Return the tarball of a package."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as target:
        for name, content in files.items():
            entry = tarfile.TarInfo(f"package/{name}")
            entry.size = len(content)
            target.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


class Registry(http.server.ThreadingHTTPServer):
    """Serves one package, whose tarball and integrity tests may change."""

    name, version, tarball = "", "", b""
    address = ""
    integrity: str | None = None


class Handler(http.server.BaseHTTPRequestHandler):
    server: Registry

    def do_GET(self) -> None:
        if self.path == "/tarball":
            self._send(self.server.tarball)
        elif self.path == f"/{self.server.name}":
            dist = {"tarball": f"{self.server.address}/tarball"}
            if self.server.integrity:
                dist["integrity"] = self.server.integrity
            name, number = self.server.name, self.server.version
            version = {"name": name, "version": number, "dist": dist}
            page = {"name": name, "dist-tags": {"latest": number}, "versions": {number: version}}
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


@contextmanager
def serve(
    patch: pytest.MonkeyPatch, name: str, version: str, files: dict[str, bytes]
) -> Iterator[Registry]:
    """Serve a package with some files, and configure npm to use this registry."""
    with Registry(("127.0.0.1", 0), Handler) as server:
        server.name, server.version = name, version
        server.tarball = pack({"package.json": b'{"name": "x"}', **files})
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        server.address = f"http://127.0.0.1:{server.server_address[1]}"
        patch.setenv("npm_config_registry", server.address)
        yield server
        server.shutdown()
