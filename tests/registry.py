"""A package registry of our own on this machine, for the real npm client."""

from __future__ import annotations

import http.server
import io
import json
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urljoin

import pytest


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

    name, version, tarball = "", "", b""
    promised: str | None = None


class Handler(http.server.BaseHTTPRequestHandler):
    server: Registry

    def do_GET(self) -> None:
        if self.path == "/tarball":
            self._send(self.server.tarball)
        elif self.path == f"/{self.server.name}":
            host, port = self.server.server_address[:2]
            here = f"http://{host}:{port}"
            dist = {"tarball": urljoin(here, "tarball")}
            if self.server.promised:
                dist["integrity"] = self.server.promised
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
def serving(
    patch: pytest.MonkeyPatch, name: str, version: str, files: dict[str, bytes]
) -> Iterator[Registry]:
    """A registry that npm asks for all packages, and that has NAME at VERSION with FILES."""
    server = Registry(("127.0.0.1", 0), Handler)
    server.name, server.version = name, version
    server.tarball = packed({"package.json": b'{"name": "x"}', **files})
    threading.Thread(target=server.serve_forever, daemon=True).start()
    patch.setenv("npm_config_registry", f"http://127.0.0.1:{server.server_address[1]}")
    patch.setenv("npm_config_fetch_retries", "0")
    yield server
    server.shutdown()
    server.server_close()
