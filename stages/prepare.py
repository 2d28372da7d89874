"""Prepare a data set."""

from __future__ import annotations

from pathlib import Path

import click

from pokegan.core.files import atomic_write, save_array, save_table
from pokegan.core.params import read_params
from pokegan.core.schema import PictureSet

SHEET = 1024
COLUMNS = 32


@click.command()
@click.argument("name", type=click.Choice(["pokemon819", "pokemon14000"]))
@click.argument("archive", type=click.Path(path_type=Path))
@click.argument("packed", type=click.Path(path_type=Path))
@click.argument("manifest", type=click.Path(path_type=Path))
@click.argument("sheet", type=click.Path(path_type=Path))
def prepare(name: str, archive: Path, packed: Path, manifest: Path, sheet: Path) -> None:
    """Make the data set NAME from the pictures in ARCHIVE.

    PACKED gets them as one array (N, R, R, 3) uint8, MANIFEST a row a picture (where it comes
    from), and SHEET, for people, up to 1,024 of them at a glance.
    """
    params = read_params("prepare", name)
    wanted: PictureSet = getattr(params, name)

    import pandas as pd

    from pokegan.analysis.subset import evenly_spaced
    from pokegan.core.grids import grid, to_image
    from pokegan.data.selection import select
    from pokegan.data.sources.archive import read_archive
    from pokegan.tracking.run import track_run

    with track_run(f"prepare_{name}", params) as run:
        with read_archive(archive) as pictures_as_they_came:
            selection = select(name, wanted.count, pictures_as_they_came, params.prepare)
        for path, why in selection.unreadable.items():
            click.echo(f"Warning: {path} cannot be read ({why}) and is left out.", err=True)
        pictures = selection.pictures()
        table = pd.DataFrame(selection.manifest()).astype({"national_number": "Int64"})
        table.insert(0, "row", range(len(table)))
        overview = grid(evenly_spaced(pictures, SHEET), COLUMNS)

        save_array(packed, pictures)
        save_table(manifest, table)
        with atomic_write(sheet) as temporary:
            to_image(overview).save(temporary, format="PNG")
        run.log_image("contact_sheet", overview)
        run.log_metrics({"pictures": len(pictures), "unreadable": len(selection.unreadable)})
        kinds = ", ".join(f"{count} {kind}" for kind, count in table["kind"].value_counts().items())
        click.echo(f"{packed}: {len(pictures)} pictures ({kinds})", err=True)


if __name__ == "__main__":
    prepare()
