"""Archives: strangers' tarballs are read with suspicion, our own zip is written reproducibly."""

from __future__ import annotations

import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePosixPath

from pokegan.core.errors import PipelineError

SUFFIXES = frozenset({".svg", ".gif", ".png", ".jpg", ".jpeg", ".webp", ".bmp"})
LARGEST_FILE = 64 * 2**20
LARGEST_TOTAL = 4 * 2**30


def is_picture(name: str) -> bool:
    """Whether a file of this NAME may be a picture."""
    path = PurePosixPath(name)
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")


def read_tarball(tarball: Path, wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
    """Names (below the tarball's first folder) and contents of the WANTED files in TARBALL.

    Nothing is ever unpacked to disk, and the tarball is refused as a whole if one entry of it
    leaves its folder, is a link or a device, or is absurdly large.

    Raises:
        PipelineError: the tarball is broken or refused.
    """
    total = 0
    try:
        with tarfile.open(tarball, "r:gz") as archive:
            for entry in archive:
                if entry.isdir():
                    continue
                if not entry.isfile():
                    raise PipelineError(
                        f"{tarball.name}: {entry.name} is a link or a device; "
                        "the archive is refused, use another version."
                    )
                if entry.name.startswith("/") or ".." in PurePosixPath(entry.name).parts:
                    raise PipelineError(
                        f"{tarball.name}: {entry.name} leaves its folder; "
                        "the archive is refused, use another version."
                    )
                total += entry.size
                if entry.size > LARGEST_FILE or total > LARGEST_TOTAL:
                    raise PipelineError(
                        f"{tarball.name}: {entry.name} brings it to {total / 2**20:.0f} MB, more "
                        "than pictures need; the archive is refused, use another version."
                    )
                name = str(PurePosixPath(*PurePosixPath(entry.name).parts[1:]))
                if wanted(name):
                    content = archive.extractfile(entry)
                    assert content is not None
                    yield name, content.read()
    except (tarfile.TarError, EOFError, zlib.error, OSError) as fault:
        if isinstance(fault, OSError) and fault.errno is not None:
            raise
        raise PipelineError(
            f"{tarball.name} is a broken archive ({fault}); run the stage again to fetch it anew."
        ) from fault


def read_folder(folder: Path, meant_by: str) -> Iterator[tuple[str, bytes]]:
    """Names (``pictures/path``) and contents of every picture below FOLDER.

    MEANT_BY is the parameter that named it, for the message.

    Raises:
        PipelineError: there is no picture, or a link leaves the folder.
    """
    inside = folder.resolve()
    found = False
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if any(part.startswith(".") for part in path.relative_to(folder).parts):
            continue
        if not is_picture(name) or not path.is_file():
            continue
        if not path.resolve().is_relative_to(inside):
            raise PipelineError(
                f"{path} is a link that leaves {folder}; copy the file there or remove the link."
            )
        found = True
        yield f"pictures/{name}", path.read_bytes()
    if not found:
        raise PipelineError(
            f"{meant_by} holds no picture ({', '.join(sorted(s[1:] for s in SUFFIXES))}); "
            "correct it."
        )


def write_archive(archive: Path, files: Iterable[tuple[str, bytes]]) -> int:
    """Write FILES (name, content) into the zip ARCHIVE; how many they were."""
    contents = dict(files)
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as target:
        for name in sorted(contents):
            target.writestr(zipfile.ZipInfo(name), contents[name])
    return len(contents)


def read_archive(archive: Path) -> zipfile.ZipFile:
    """Open our zip ARCHIVE for reading.

    Raises:
        PipelineError: it is missing or broken.
    """
    try:
        return zipfile.ZipFile(archive)
    except FileNotFoundError as fault:
        raise PipelineError(
            f"{archive} is missing; run `dvc repro`, which downloads it first."
        ) from fault
    except zipfile.BadZipFile as fault:
        raise PipelineError(
            f"{archive} is broken ({fault}); delete it and run `dvc repro`."
        ) from fault
