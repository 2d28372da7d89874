"""Source `folder`: every picture below a folder of one's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pokegan.core.errors import PipelineError
from pokegan.core.provenance import root
from pokegan.data.sources.archive import read_folder


def read_own_folder(folder: str | None) -> Iterator[tuple[str, bytes]]:
    """Names (``pictures/path``) and contents of the pictures below FOLDER.

    A relative FOLDER is meant from the repository's root, also in a temporary workspace.

    Raises:
        PipelineError: no FOLDER is named, it does not exist, or it holds no picture.
    """
    if folder is None:
        raise PipelineError(
            "download.source is folder, but download.folder names none; "
            "add -S download.folder=/path/to/pictures."
        )
    path = root() / Path(folder).expanduser()
    if not path.is_dir():
        raise PipelineError(f"download.folder: {folder} is no folder; correct the path.")
    yield from read_folder(path, f"download.folder: {folder}")
