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
@click.option(
    "--ablations", required=True, nargs=3, type=PATH, metavar="FILE FOLDER PAGE",
    help="Rows of an ablation (.yaml), folder with their results, and page to write (.html).",
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
    ablations: tuple[Path, Path, Path],
) -> None:
    """Render the results below the folder NETWORKS as PAGE, a self-contained HTML file.

    Write image grids (.png) to the folder GRIDS, and time-lapses (.webp) to ANIMATIONS.
    """
    params = read_params("evaluate.encoders", "augment.copies")
    names = read_networks()

    from pokegan.report.page import render_ablations, render_page
    from pokegan.report.results import read_results
    from pokegan.tracking.run import track_run

    encoders, copies = params.evaluate.encoders, params.augment.copies
    with track_run("report", params) as run:
        trained, untrained = read_results(networks, names)
        with atomic_write(grids) as pngs, atomic_write(animations) as webps:
            pngs.mkdir()
            webps.mkdir()
            data = reference, enlarged, data_sets, types, seeds
            html = render_page(trained, untrained, encoders, copies, *data, pngs, webps)
        save_text(ablations[2], render_ablations(*ablations[:2]))
        save_text(page, html)
        run.log_artifact(page)
        click.echo(f"{page}: {page.stat().st_size / 1e6:.1f} MB", err=True)


if __name__ == "__main__":
    report()
