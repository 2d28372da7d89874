"""Prepare a data set."""

from pathlib import Path

import click

from pokegan.core.files import save_array, save_table
from pokegan.core.params import read_params

MAX_SHOWN = 1024
COLUMNS = 32


@click.command()
@click.argument("name", type=click.Choice(["pokemon819", "pokemon14000"]))
@click.argument("archive", type=click.Path(path_type=Path))
@click.argument("packed", type=click.Path(path_type=Path))
@click.argument("manifest", type=click.Path(path_type=Path))
def prepare(name: str, archive: Path, packed: Path, manifest: Path) -> None:
    """Select and render the pictures of the data set NAME from ARCHIVE.

    Writes PACKED, an array uint8 (N, R, R, 3), and MANIFEST, a table with one row per picture.
    """
    params = read_params("prepare", name)
    count = getattr(params, name).count

    from pokegan.core.grids import grid
    from pokegan.data.selection import select
    from pokegan.data.sources.archive import read_archive
    from pokegan.tracking.run import track_run

    with track_run(f"prepare@{name}", params) as run:
        with read_archive(archive) as source:
            selection = select(name, count, source, params.prepare)
        for path, reason in selection.unreadable.items():
            click.echo(f"Warning: {path} cannot be read ({reason}) and is skipped.", err=True)
        images, table = selection.images(), selection.manifest()
        save_array(packed, images)
        save_table(manifest, table)
        run.log_metrics({"pictures": len(images), "unreadable": len(selection.unreadable)})
        run.log_image("contact_sheet", grid(images[:: -(-len(images) // MAX_SHOWN)], COLUMNS))
        kinds = ", ".join(f"{count} {kind}" for kind, count in table["kind"].value_counts().items())
        click.echo(f"{packed}: {len(images)} pictures ({kinds})", err=True)


if __name__ == "__main__":
    prepare()
