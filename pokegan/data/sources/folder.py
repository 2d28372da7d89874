"""The source `folder`: all files below a folder of the user. `prepare` selects the pictures."""

import os
from collections.abc import Iterator
from pathlib import Path

from pokegan.core.errors import PipelineError
from pokegan.core.provenance import root
from pokegan.data.sources.archive import unreadable


def read_own_folder(folder: str | None) -> Iterator[tuple[str, Path]]:
    """Yield name and path of each file below the folder that params.yaml names.

    A relative path starts at the root of the repository, also in DVC's temporary workspaces. Raises
    a PipelineError if the folder is not set, does not exist or is empty.
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


def read_folder(folder: Path, parameter: str) -> Iterator[tuple[str, Path]]:
    """Yield name (``pictures/path``) and path of each file below a folder.

    `parameter` names the folder in errors. Raises a PipelineError if there is no file, a folder
    cannot be read, or a link leaves the folder.
    """
    files = list_files(folder)
    if not files:
        raise PipelineError(f"{parameter} holds no file; correct the path.")
    for path in files:
        # An archive has names in UTF-8; other bytes are written as escape sequences.
        name = os.fsencode(path.relative_to(folder)).decode("utf-8", "backslashreplace")
        yield f"pictures/{name}", path


def list_files(folder: Path) -> list[Path]:
    """Return the sorted paths of all files below a folder, except hidden files and folders.

    Raises a PipelineError if a folder cannot be read, if a link leaves the folder or leads to
    nothing, and for pipes and devices. A link to a folder inside is not followed: its files are
    found at their own place.
    """
    files: list[Path] = []

    def stop(error: OSError) -> None:
        raise unreadable(error) from error

    for place, folders, names in os.walk(folder, onerror=stop):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found = [Path(place, name) for name in (*folders, *names) if not name.startswith(".")]
        for path in found:
            if not (path.is_file() or path.is_dir()):
                raise PipelineError(
                    f"{path} is neither a file nor a folder, nor a link to one; remove it."
                )
            if path.is_symlink() and not path.resolve().is_relative_to(folder.resolve()):
                raise PipelineError(
                    f"{path} is a link that leaves {folder}; replace it by what it links to, or "
                    "remove it."
                )
        files += found[len(folders) :]
    return sorted(files)
