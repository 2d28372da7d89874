"""Render the report."""

from pathlib import Path

import click

from pokegan.core.files import atomic_write, save_text
from pokegan.core.params import read_networks, read_params

PATH = click.Path(path_type=Path)


@click.command()
@click.argument("page", type=PATH)
@click.argument("grids", type=PATH)
@click.argument("animations", type=PATH)
@click.argument("networks", type=PATH)
@click.option("--reference", required=True, type=PATH, help="Real images (.npy).")
@click.option("--enlarged", required=True, type=PATH, help="Enlargement of the same (.npy).")
@click.option(
    "--dataset", "data_sets", required=True, multiple=True, type=PATH,
    help="Data set (.npy), shown as a contact sheet; may be repeated.",
)  # fmt: skip
@click.option(
    "--types", required=True, nargs=2, type=PATH,
    help="Mean images of the types (.npz), and their classification (.json).",
)  # fmt: skip
@click.option(
    "--seeds", required=True, type=PATH,
    help="Folder with results of trainings with several seeds (.json).",
)  # fmt: skip
def report(
    page: Path,
    grids: Path,
    animations: Path,
    networks: Path,
    reference: Path,
    enlarged: Path,
    data_sets: tuple[Path, ...],
    types: tuple[Path, Path],
    seeds: Path,
) -> None:
    """Render the results below the folder NETWORKS as PAGE, a self-contained HTML file.

    Write image grids (.png) to the folder GRIDS, and time-lapses (.webp) to ANIMATIONS.
    """
    params = read_params("evaluate.encoders")
    names = read_networks()

    from pokegan.report.page import render_page
    from pokegan.report.results import read_results
    from pokegan.tracking.run import track_run

    encoders = params.evaluate.encoders
    with track_run("report", params) as run:
        trained, untrained = read_results(networks, names)
        with atomic_write(grids) as pngs, atomic_write(animations) as webps:
            pngs.mkdir()
            webps.mkdir()
            data = reference, enlarged, data_sets, types, seeds
            html = render_page(trained, untrained, encoders, *data, pngs, webps)
        save_text(page, html)
        run.log_artifact(page)
        click.echo(f"{page}: {page.stat().st_size / 1e6:.1f} MB", err=True)


if __name__ == "__main__":
    report()
