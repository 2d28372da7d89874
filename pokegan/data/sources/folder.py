"""The source `folder`: all pictures below a folder of the user."""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from pokegan.core.errors import PipelineError
from pokegan.core.provenance import root

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".svg", ".webp")


def is_picture(name: str) -> bool:
    """Return whether a file name has the suffix of a picture and no part of it is hidden."""
    hidden = any(part.startswith(".") for part in PurePosixPath(name).parts)
    return name.lower().endswith(SUFFIXES) and not hidden


def read_own_folder(folder: str | None) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of each picture below the folder that params.yaml names.

    A relative path starts at the root of the repository, also in DVC's temporary workspaces.

    Raises:
        PipelineError: the folder is not set, does not exist or holds no picture.
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

    Hidden files and folders are skipped. `parameter` names the folder in error messages.

    Raises:
        PipelineError: there is no picture, one cannot be read, or a link leaves the folder.
    """
    found = False
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if not is_picture(name) or not path.is_file():
            continue
        if not path.resolve().is_relative_to(folder.resolve()):
            raise PipelineError(
                f"{path} is a link that leaves {folder}; copy the file there or remove the link."
            )
        try:
            content = path.read_bytes()
        except OSError as error:
            raise PipelineError(
                f"{path} cannot be read ({error.strerror}); make it readable or remove it."
            ) from error
        found = True
        yield f"pictures/{name}", content
    if not found:
        suffixes = ", ".join(suffix[1:] for suffix in SUFFIXES)
        raise PipelineError(f"{parameter} holds no picture ({suffixes}); correct the path.")
