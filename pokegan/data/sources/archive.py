"""The zip archive of the pictures, which the stage `download` writes."""

import shutil
from collections.abc import Iterable
from pathlib import Path
from zipfile import ZipFile, ZipInfo

from pokegan.core.errors import PipelineError
from pokegan.core.files import reading


def write_archive(archive: Path, files: Iterable[tuple[str, bytes | Path]]) -> int:
    """Write files, contents or paths, into a zip archive and return their number.

    The entries are sorted, uncompressed and without dates: the same files give the same bytes. A
    path is copied in blocks. Raises a PipelineError if it cannot be read.
    """
    contents = dict(files)
    with ZipFile(archive, "w") as target:
        for name in sorted(contents):
            content, entry = contents[name], ZipInfo(name)
            if isinstance(content, bytes):
                target.writestr(entry, content)
                continue
            try:
                source = content.open("rb")
            except OSError as error:
                raise unreadable(error) from error
            with source:
                entry.file_size = content.stat().st_size
                with target.open(entry, "w") as place:
                    shutil.copyfileobj(source, place)
    return len(contents)


def unreadable(error: OSError) -> PipelineError:
    """Return the error for a file or folder of the user that cannot be read."""
    return PipelineError(
        f"{error.filename} cannot be read ({error.strerror}); make it readable or move it."
    )


def read_archive(archive: Path) -> ZipFile:
    """Open the zip archive; raise a PipelineError if it is missing or damaged."""
    with reading(archive):
        return ZipFile(archive)
