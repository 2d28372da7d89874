"""The source `folder`: all pictures below a folder of the user."""

import os
from collections.abc import Iterator
from pathlib import Path

from pokegan.core.errors import PipelineError
from pokegan.core.provenance import root

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".svg", ".webp")


def read_own_folder(folder: str | None) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of each picture below the folder that params.yaml names.

    A relative path starts at the root of the repository, also in DVC's temporary workspaces. Raises
    a PipelineError if the folder is not set, does not exist or holds no picture.
    """
    if folder is None:
        raise PipelineError(
            "download.folder is null, but download.source is folder; "
            "add -S download.folder=/path/to/pictures."
        )
    path = root() / Path(folder).expanduser()
    if not path.is_dir():
        raise PipelineError(f"download.folder: {folder} is not a folder; correct the path.")
    yield from read_folder(path, f"download.folder: {folder}")


def read_folder(folder: Path, parameter: str) -> Iterator[tuple[str, bytes]]:
    """Yield name (``pictures/path``) and content of each picture below a folder.

    `parameter` names the folder in errors. Raises a PipelineError if there is no picture, one
    cannot be read, or a link leaves the folder.
    """
    pictures = [each for each in list_files(folder) if each.name.lower().endswith(SUFFIXES)]
    if not pictures:
        suffixes = ", ".join(suffix[1:] for suffix in SUFFIXES)
        raise PipelineError(f"{parameter} holds no picture ({suffixes}); correct the path.")
    for path in pictures:
        if not path.resolve().is_relative_to(folder.resolve()):
            raise PipelineError(
                f"{path} is a link that leaves {folder}; copy the file there or remove the link."
            )
        try:
            content = path.read_bytes()
        except OSError as error:
            raise _unreadable(error) from error
        yield f"pictures/{path.relative_to(folder).as_posix()}", content


def list_files(folder: Path) -> list[Path]:
    """Return the sorted paths of all files below a folder, except hidden files and folders."""
    files: list[Path] = []

    def stop(error: OSError) -> None:
        raise _unreadable(error) from error

    for place, folders, names in os.walk(folder, onerror=stop):
        folders[:] = [name for name in folders if not name.startswith(".")]
        files += [Path(place, name) for name in names if not name.startswith(".")]
    return sorted(files)


def _unreadable(error: OSError) -> PipelineError:
    return PipelineError(
        f"{error.filename} cannot be read ({error.strerror}); make it readable or move it."
    )
