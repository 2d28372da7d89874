"""The zip archive of the pictures, which the stage `download` writes."""

from collections.abc import Iterable
from pathlib import Path
from zipfile import ZipFile, ZipInfo

from pokegan.core.files import reading


def write_archive(archive: Path, files: Iterable[tuple[str, bytes]]) -> int:
    """Write files into a zip archive and return their number.

    The entries are sorted, uncompressed and without dates: the same files give the same bytes.
    """
    contents = dict(files)
    with ZipFile(archive, "w") as target:
        for name in sorted(contents):
            target.writestr(ZipInfo(name), contents[name])
    return len(contents)


def read_archive(archive: Path) -> ZipFile:
    """Open the zip archive; raise a PipelineError if it is missing or damaged."""
    with reading(archive):
        return ZipFile(archive)
