"""Label pictures with the types of their Pokémon."""

from pathlib import Path

import click

from pokegan.core.files import read_table, save_table, scratch_folder
from pokegan.core.params import read_params


@click.command()
@click.argument("manifest", type=click.Path(path_type=Path))
@click.argument("labels", type=click.Path(path_type=Path))
def label(manifest: Path, labels: Path) -> None:
    """Write types and evolution line of each picture in MANIFEST to the table LABELS.

    The labels are empty if the picture has no national number or the form is unknown. The family
    is the national number of the first species of the evolution line.
    """
    params = read_params("label")

    from pokegan.data.labels import label_images, read_pokedex
    from pokegan.tracking.run import track_run

    columns = {"row": "Int64", "national_number": "Int64", "form": "string"}
    pictures = read_table(manifest, columns)
    pins = params.label.npm or {} if pictures["national_number"].notna().any() else {}
    with track_run("label", params) as run:
        with scratch_folder(labels) as scratch:
            table = label_images(pictures, read_pokedex(pins, scratch))
        save_table(labels, table)
        count = int(table["first_type"].notna().sum())
        run.log_metrics({"labelled": count, "unlabelled": len(table) - count})
        click.echo(f"{labels}: {count} of {len(table)} pictures have a type", err=True)


if __name__ == "__main__":
    label()
