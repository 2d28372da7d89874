"""Render the report."""

from __future__ import annotations

import json
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
MEASURES = {
    "discriminator_loss": "loss of the discriminator",
    "generator_loss": "loss of the generator",
    "d_real": "D(x)",
    "d_fake": "D(G(z))",
}


@click.command()
@click.argument("page", type=click.Path(path_type=Path))
@click.argument("grids", type=click.Path(path_type=Path))
@click.argument("stories", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--reals", required=True, type=click.Path(path_type=Path), help="True pictures.")
def report(page: Path, grids: Path, stories: tuple[Path, ...], reals: Path) -> None:
    """Render the self-contained PAGE from STORIES, one folder a network, and from REALS.

    The folder GRIDS gets the same grids as PNG files.
    """
    from stages.params import read_params

    params = read_params()

    from jinja2 import Environment, PackageLoader, StrictUndefined

    from stages.datasets import load_pictures
    from stages.pictures.charts import curves, script
    from stages.pictures.grids import evenly_spaced, grid
    from stages.tracking import tracked

    with tracked("report", params) as run:
        networks = [read_story(story) for story in stories]
        true_pictures = load_pictures(reals)
        with whole(grids) as folder:
            folder.mkdir()
            for network in networks:
                samples = network.pop("pictures")
                network["samples"] = embed(
                    folder / f"{network['name']}.png", grid(samples[-1], COLUMNS)
                )
                over_time = samples[:, :FOLLOWED].swapaxes(0, 1)
                network["progress"] = embed(
                    folder / f"{network['name']}_progress.png",
                    grid(over_time.reshape(-1, *samples.shape[2:]), columns=len(samples)),
                )
            shown = embed(folder / "true.png", grid(evenly_spaced(true_pictures, 64), COLUMNS))
        environment = Environment(
            loader=PackageLoader("stages", "pictures"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
        )
        histories = {network["name"]: network["history"] for network in networks}
        html = environment.get_template(TEMPLATE).render(
            networks=networks,
            resolution=true_pictures.shape[1],
            reals=shown,
            reals_count=len(true_pictures),
            specification=curves(histories, MEASURES),
            script=script(),
        )
        save_text(page, html)
        run.file(page)
        click.echo(f"{page}: {page.stat().st_size / 1e6:.1f} MB", err=True)


def read_story(story: Path) -> dict[str, Any]:
    """What a network's training and evaluation left in the folder STORY.

    Raises:
        PipelineError: a file of it is missing or broken.
    """
    import numpy as np
    import pandas as pd

    try:
        run = json.loads((story / "run.json").read_text(encoding="utf-8"))
        scores = json.loads((story / "scores.json").read_text(encoding="utf-8"))
        history = pd.read_csv(story / "history.csv")
        with np.load(story / "samples.npz", allow_pickle=False) as samples:
            epochs, pictures = samples["epochs"], samples["pictures"]
        encoder = scores["encoder"]
        return {
            "name": story.name,
            "run": run,
            "scores": scores,
            "history": history,
            "pictures": pictures,
            "moments": ", ".join(f"{epoch:.2g}" for epoch in epochs),
            "duration": duration(run["seconds"]),
            "distance": scores[f"fd_{encoder}"],
            "floor": scores[f"fd_{encoder}_floor"],
            "classifier_score": scores[f"cs_{encoder}"],
            "classifier_score_reals": scores[f"cs_{encoder}_reals"],
            "facts": [
                *((key, value) for key, value in run["params"].items()),
                *((key, value) for key, value in run.items() if key != "params"),
            ],
        }
    except FileNotFoundError as fault:
        raise PipelineError(
            f"{fault.filename} is missing; run `dvc repro`, which trains and scores first."
        ) from fault
    except (ValueError, KeyError, OSError) as fault:
        raise PipelineError(f"{story} cannot be read ({fault}); run `dvc repro`.") from fault


def duration(seconds: float) -> str:
    """SECONDS as a person says it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def embed(file: Path, pixels: np.ndarray) -> str:
    """Save PIXELS as the PNG FILE; the same picture as a data URI."""
    import base64

    from stages.pictures.grids import to_image

    to_image(pixels).save(file, format="PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(file.read_bytes()).decode()}"


if __name__ == "__main__":
    report()
