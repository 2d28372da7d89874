"""Download the pictures."""

from pathlib import Path

import click

from pokegan.core.files import atomic_write, scratch_folder
from pokegan.core.params import read_params


@click.command()
@click.argument("archive", type=click.Path(path_type=Path))
def download(archive: Path) -> None:
    """Download the pictures of the source in params.yaml into the zip file ARCHIVE."""
    params = read_params("download")

    from pokegan.data.sources import read_source
    from pokegan.data.sources.archive import write_archive
    from pokegan.tracking.run import track_run

    with track_run("download", params) as run:
        with atomic_write(archive) as temporary, scratch_folder(archive) as scratch:
            count = write_archive(temporary, read_source(params.download, scratch))
        megabytes = archive.stat().st_size / 1e6
        run.log_metrics({"files": count, "megabytes": megabytes})
        click.echo(f"{archive}: {count} files, {megabytes:.0f} MB", err=True)


if __name__ == "__main__":
    download()
