"""Render the report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stages.errors import PipelineError
from stages.outputs import save_text, whole

if TYPE_CHECKING:
    import numpy as np

TEMPLATE = "report.html.j2"
COLUMNS = 8
FOLLOWED = 4
SIDE = 64  # pixels of a picture on the page; the files beside it have them all
FILM = 530  # pixels: an 8×8 grid of such pictures, which smaller ones are enlarged towards
FRAMES = 16  # of a time-lapse, at most: more would make the page heavy
RATE, HOLD = 2.5, 2  # frames a second of a time-lapse, seconds that its end stays longer
LANDMARKS = (100, 200, 300, 400)  # epochs at which the students' report shows samples
SHEET = 1100  # pixels: the widest that a contact sheet is shown
KINDS = ("original", "mirrored", "jittered")
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
    "--pipeline", type=click.Path(path_type=Path), help="The graph of the stages, an SVG."
)
@click.option(
    "--types", "contrasted", type=click.Path(path_type=Path),
    help="Folder with what types look like, and what tells them apart.",
)  # fmt: skip
def report(
    page: Path,
    grids: Path,
    stories: tuple[Path, ...],
    reals: Path,
    sheets: tuple[Path, ...],
    enlarged: Path | None,
    pipeline: Path | None,
    contrasted: Path | None,
) -> None:
    """Render the self-contained PAGE from STORIES, one folder a network, and from REALS.

    The folder GRIDS gets the same grids as PNG files, and the time-lapses as animated WebP.
    """
    from stages.params import read_params

    params = read_params("evaluate.encoders")

    from jinja2 import Environment, PackageLoader, StrictUndefined

    from stages.datasets import load_pictures
    from stages.pictures.animation import at_most, data_uri
    from stages.pictures.augmentation import seen_by_discriminators
    from stages.pictures.charts import curves, palette, script
    from stages.pictures.copies import copies
    from stages.pictures.features import read_features
    from stages.pictures.grids import evenly_spaced, grid
    from stages.pictures.latent_space import read_latent_space
    from stages.pictures.stories import ENCODERS, read_story, scores_by
    from stages.pictures.types import read_types
    from stages.tracking import tracked

    with tracked("report", params) as run:
        encoders = params.evaluate.encoders
        networks = [read_story(story, encoders) for story in stories]
        trained = [network for network in networks if "run" in network]
        if not trained:
            raise PipelineError(
                f"{networks[0]['missing'][0]} is missing; "
                "run `dvc repro`, which trains and scores first."
            )
        true_pictures = load_pictures(reals)
        with whole(grids) as folder:
            folder.mkdir()
            for network in trained:
                network |= film(network, folder)
            true_grid = evenly_spaced(true_pictures, COLUMNS**2)
            save_grid(folder / "true.png", grid(true_grid, COLUMNS))
        colours = palette(network["name"] for network in networks)
        scores = [scores_by(encoder, trained) for encoder in encoders]
        for each in scores:
            place = f"scores-{each['name']}"
            each["charts"] = curves(place, each["curves"], each["titles"], colours, each["truths"])
        histories = {network["name"]: network["history"] for network in trained}
        charts = curves("training", histories, MEASURES, colours)
        folders = [folder for folder in stories if folder.name in histories]
        matched = copies(folders, encoders[0], colours)
        latent_spaces = [read_latent_space(story) for story in stories]
        parts = (*scores, matched, *latent_spaces)
        drawn = [charts, *(part["charts"] for part in parts)]
        types = read_types(contrasted, encoders[0], SIDE)
        features = read_features(stories, types, ENCODERS[encoders[0]], SIDE)
        environment = Environment(
            loader=PackageLoader("stages", "pictures"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        html = environment.get_template(TEMPLATE).render(
            networks=networks,
            trained=trained,
            colours=colours,
            resolution=true_pictures.shape[1],
            reals=data_uri(grid(at_most(true_grid, SIDE), COLUMNS)),
            reals_count=len(true_pictures),
            scores=scores,
            charts=charts,
            copies=matched,
            latent_spaces=latent_spaces,
            specifications={
                place: chart["specification"] for part in drawn for place, chart in part.items()
            },
            sheets=[contact_sheet(sheet) for sheet in sheets],
            enlargement=None if enlarged is None else enlargement(load_pictures(enlarged)),
            kinds=KINDS,
            pipeline=None if pipeline is None else drawing(pipeline),
            augmentation=seen_by_discriminators(trained),
            features=features,
            types=types,
            rows={
                kind: list(dict.fromkeys(key for each in trained for key in each[kind]))
                for kind in ("parameters", "settings", "facts")
            },
            rate=RATE,
            script=script(),
        )
        save_text(page, html)
        run.file(page)
        click.echo(f"{page}: {page.stat().st_size / 1e6:.1f} MB", err=True)


def film(network: dict[str, Any], folder: Path) -> dict[str, Any]:
    """What the page shows of the samples of NETWORK over its training.

    FOLDER gets the last ones, the progress of the first few latents, and the time-lapse.
    """
    import numpy as np

    from stages.pictures.animation import at_most, captioned, data_uri, save_animation
    from stages.pictures.grids import evenly_spaced, grid

    name = network["name"]
    shown = evenly_spaced(np.arange(len(network["epochs"])), FRAMES)
    samples, epochs = network["pictures"][shown], network["epochs"][shown]
    moments = [network["moments"][each] for each in shown]
    save_grid(folder / f"{name}.png", grid(samples[-1], COLUMNS))
    followed = samples[:, :FOLLOWED].swapaxes(0, 1).reshape(-1, *samples.shape[2:])
    save_grid(folder / f"{name}_progress.png", grid(followed, columns=len(samples)))
    frames = np.stack([grid(at_most(pictures, SIDE), COLUMNS) for pictures in samples])
    lines = [f"{name} · {moment}" for moment in moments]
    moving = folder / f"{name}.webp"
    save_animation(moving, captioned(frames, lines), RATE, HOLD, lossless=False)
    last = len(samples) - 1
    return {
        "epochs": epochs,
        "moments": moments,
        # Motion hides what compression loses; the last picture is for looking.
        "frames": [data_uri(frame, lossless=index == last) for index, frame in enumerate(frames)],
        "width": max(1, round(FILM / frames.shape[2])) * frames.shape[2],
        "landmarks": landmarks(epochs),
        "progress": data_uri(grid(at_most(followed, SIDE), columns=len(samples))),
    }


def landmarks(epochs: np.ndarray) -> list[dict[str, float]]:
    """The LANDMARKS that a training with samples at EPOCHS (S,) has reached.

    Each with the number of the nearest sample, and its place between the first, 0, and the last, 1.
    """
    import numpy as np

    numbers = np.arange(len(epochs))
    return [
        {
            "epoch": epoch,
            "frame": int(np.abs(epochs - epoch).argmin()),
            "place": float(np.interp(epoch, epochs, numbers)) / max(1, len(epochs) - 1),
        }
        for epoch in LANDMARKS
        if epoch <= epochs[-1]
    ]


def contact_sheet(file: Path) -> dict[str, Any]:
    """The contact sheet FILE, small enough for the page.

    Raises:
        PipelineError: FILE is missing or broken.
    """
    import numpy as np
    from PIL import Image

    from stages.pictures.animation import data_uri

    try:
        with Image.open(file) as opened:
            image = opened.convert("RGB")
    except OSError as fault:
        raise PipelineError(
            f"{file} is missing or broken; delete it and run `dvc repro`, which makes it."
        ) from fault
    image.thumbnail((SHEET, SHEET))
    return {"name": file.stem, "picture": data_uri(np.asarray(image), lossless=False)}


def enlargement(pictures: np.ndarray) -> str:
    """Some of the enlarged PICTURES (3N, R, R, 3), a row of originals above their copies."""
    from stages.pictures.animation import at_most, data_uri
    from stages.pictures.grids import evenly_spaced, grid

    threes = pictures.reshape(len(KINDS), -1, *pictures.shape[1:]).swapaxes(0, 1)
    shown = evenly_spaced(threes, COLUMNS).swapaxes(0, 1)
    rows = at_most(shown.reshape(-1, *pictures.shape[1:]), SIDE)
    return data_uri(grid(rows, shown.shape[1]))


def drawing(file: Path) -> str:
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


def save_grid(file: Path, pixels: np.ndarray) -> None:
    """Save PIXELS as the PNG FILE."""
    from stages.pictures.grids import to_image

    to_image(pixels).save(file, format="PNG", optimize=True)


if __name__ == "__main__":
    report()
