"""Prepare a data set."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pokegan.core.files import save_array, save_table
from pokegan.core.params import read_params

if TYPE_CHECKING:
    import pandas as pd

MAX_SHOWN = 1024
COLUMNS = 32
N_NAMED = 5


@click.command()
@click.argument("name", type=click.Choice(["pokemon819", "pokemon14000"]))
@click.argument("archive", type=click.Path(path_type=Path))
@click.argument("packed", type=click.Path(path_type=Path))
@click.argument("manifest", type=click.Path(path_type=Path))
@click.argument("left_out", type=click.Path(path_type=Path))
def prepare(name: str, archive: Path, packed: Path, manifest: Path, left_out: Path) -> None:
    """Select and render the pictures of the data set NAME from ARCHIVE.

    Writes PACKED, an array uint8 (N, R, R, 3), MANIFEST, a table with one row per picture, and
    LEFT_OUT, a table of the files without one and why.
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
        images, table, unused = selection.images(), selection.manifest(), selection.left_out()
        if len(unused):
            click.echo(f"Warning: {summarize(unused)}; {left_out} lists them.", err=True)
        save_array(packed, images)
        save_table(manifest, table)
        save_table(left_out, unused)
        run.log_metrics({"pictures": len(images), "left_out": len(unused)})
        run.log_image("contact_sheet", grid(images[:: -(-len(images) // MAX_SHOWN)], COLUMNS))
        kinds = ", ".join(f"{count} {kind}" for kind, count in table["kind"].value_counts().items())
        click.echo(f"{packed}: {len(images)} pictures ({kinds})", err=True)


def summarize(left_out: pd.DataFrame) -> str:
    """Count the files that are left out by reason, and name some of each."""
    parts = []
    for reason, sources in left_out.groupby("reason")["source"]:
        names = ", ".join(sources[:N_NAMED]) + (", …" if len(sources) > N_NAMED else "")
        parts.append(f"{len(sources)} ({reason}): {names}")
    return f"{len(left_out)} files are left out; {'; '.join(parts)}"


if __name__ == "__main__":
    prepare()
