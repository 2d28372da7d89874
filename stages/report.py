"""Render the report."""

from __future__ import annotations

from pathlib import Path

import click

from pokegan.core.errors import PipelineError
from pokegan.core.files import atomic_write, save_text

MEASURES = {
    "discriminator_loss": "loss of the discriminator",
    "generator_loss": "loss of the generator",
    "d_real": "D(x)",
    "d_fake": "D(G(z))",
    "diversity": "diversity of the samples",
}


@click.command()
@click.argument("page", type=click.Path(path_type=Path))
@click.argument("grids", type=click.Path(path_type=Path))
@click.argument("stories", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--reals", required=True, type=click.Path(path_type=Path), help="True pictures.")
@click.option(
    "--sheet", "sheets", multiple=True, type=click.Path(path_type=Path),
    help="Contact sheet of a data set; may be given more than once.",
)  # fmt: skip
@click.option(
    "--enlarged", type=click.Path(path_type=Path),
    help="The true pictures, then their mirror images, then their jittered copies.",
)  # fmt: skip
@click.option(
    "--types", "contrasted", nargs=2, type=click.Path(path_type=Path),
    help="What tells types apart (.json), and what they look like (.npz).",
)  # fmt: skip
@click.option(
    "--pipeline", type=click.Path(path_type=Path), help="The graph of the stages, an SVG."
)
def report(
    page: Path,
    grids: Path,
    stories: tuple[Path, ...],
    reals: Path,
    sheets: tuple[Path, ...],
    enlarged: Path | None,
    contrasted: tuple[Path, Path] | None,
    pipeline: Path | None,
) -> None:
    """Render the self-contained PAGE from STORIES, one folder a network, and from REALS.

    The folder GRIDS gets the same grids as PNG files, and the time-lapses as animated WebP.
    """
    from pokegan.core.params import read_params

    params = read_params("evaluate.encoders")

    from pokegan.core.arrays import load_images
    from pokegan.report.augmentation import seen_by_discriminators
    from pokegan.report.charts import DASHES, curves, palette, script
    from pokegan.report.copies import read_copies
    from pokegan.report.data_sets import KINDS, contact_sheet, enlargement
    from pokegan.report.features import read_features
    from pokegan.report.latent_space import read_latent_space
    from pokegan.report.stories import read_story, scores_by
    from pokegan.report.templates import template
    from pokegan.report.time_lapses import RATE, time_lapse, true_grid
    from pokegan.report.types import read_types
    from pokegan.tracking.run import track_run

    with track_run("report", params) as run:
        encoders = params.evaluate.encoders
        networks = [read_story(story, encoders) for story in stories]
        trained = [network for network in networks if "run" in network]
        if not trained:
            raise PipelineError(
                f"{networks[0]['missing'][0]} is missing; "
                "run `dvc repro`, which trains and scores first."
            )
        true_pictures = load_images(reals)
        with atomic_write(grids) as drawings:
            drawings.mkdir()
            for network in trained:
                network |= time_lapse(network, drawings)
            reals_grid = true_grid(true_pictures, drawings)

        colours = palette(network["name"] for network in networks)
        histories = {network["name"]: network["history"] for network in trained}
        charts = curves("training", histories, MEASURES, colours)
        scores = [scores_by(encoder, trained, colours) for encoder in encoders]
        folders = [story for story in stories if story.name in histories]
        copies = read_copies(folders, colours)
        latent_spaces = [read_latent_space(folder, colours[folder.name]) for folder in folders]
        drawn = [charts, *(part["charts"] for part in (*scores, copies, *latent_spaces))]
        types = read_types(contrasted)

        html = template("report.html.j2").render(
            networks=networks,
            trained=trained,
            colours=colours,
            resolution=true_pictures.shape[1],
            reals=reals_grid,
            reals_count=len(true_pictures),
            scores=scores,
            charts=charts,
            copies=copies,
            latent_spaces=latent_spaces,
            types=types,
            features=read_features(folders, types),
            sheets=[contact_sheet(sheet) for sheet in sheets],
            enlargement=None if enlarged is None else enlargement(load_images(enlarged)),
            kinds=KINDS,
            augmentation=seen_by_discriminators(trained),
            pipeline=None if pipeline is None else read_drawing(pipeline),
            rows={
                kind: list(dict.fromkeys(key for each in trained for key in each[kind]))
                for kind in ("parameters", "settings", "facts")
            },
            specifications={
                place: chart["specification"] for part in drawn for place, chart in part.items()
            },
            rate=RATE,
            dashes=DASHES,
            script=script(),
        )
        save_text(page, html)
        run.log_artifact(page)
        click.echo(f"{page}: {page.stat().st_size / 1e6:.1f} MB", err=True)


def read_drawing(file: Path) -> str:
    """The SVG in FILE.

    Raises:
        PipelineError: FILE is missing or no text.
    """
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as fault:
        raise PipelineError(
            f"{file} is missing or broken; restore it with git checkout {file}."
        ) from fault


if __name__ == "__main__":
    report()
