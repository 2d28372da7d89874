"""Enlarge a data set."""

from pathlib import Path

import click

from pokegan.core.files import save_array
from pokegan.core.params import read_params

COLUMNS = 12


@click.command()
@click.argument("pictures", type=click.Path(path_type=Path))
@click.argument("enlarged", type=click.Path(path_type=Path))
def augment(pictures: Path, enlarged: Path) -> None:
    """Write PICTURES and the copies of each that augment.copies names to ENLARGED."""
    params = read_params("seed", "augment")

    from pokegan.core.arrays import load_images
    from pokegan.core.grids import grid
    from pokegan.data.enlargement import enlarge
    from pokegan.tracking.run import track_run

    with track_run("augment", params) as run:
        originals = load_images(pictures)
        images = enlarge(originals, params.augment, params.seed)
        save_array(enlarged, images)
        run.log_metrics({"originals": len(originals), "pictures": len(images)})
        # One row of originals, and one of each kind of copies.
        step = -(-len(originals) // COLUMNS)
        rows = images.reshape(-1, *originals.shape)[:, ::step]
        run.log_image("enlargement", grid(rows.reshape(-1, *rows.shape[2:]), rows.shape[1]))
        click.echo(f"{enlarged}: {len(originals)} → {len(images)} pictures", err=True)


if __name__ == "__main__":
    augment()
