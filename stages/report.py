"""Render the report."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

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
ENCODERS = {
    "effnet_lite0": "EfficientNet-Lite0",
    "inception": "the Inception network of FID",
    "dinov2": "DINOv2",
}
TITLES = {
    "fd": "Fréchet distance",
    "kd": "kernel distance × 1000",
    "cs": "classifier score",
    "precision": "precision",
    "recall": "recall",
    "near_duplicates": "near-duplicates",
}
INCEPTION_TITLES = {"fd": "FID", "kd": "KID × 1000", "cs": "Inception Score"}


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

    params = read_params("evaluate.encoders")

    from jinja2 import Environment, PackageLoader, StrictUndefined

    from stages.datasets import load_pictures
    from stages.pictures.charts import curves, script
    from stages.pictures.grids import evenly_spaced, grid
    from stages.tracking import tracked

    with tracked("report", params) as run:
        encoders = params.evaluate.encoders
        networks = [read_story(story, encoders) for story in stories]
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
            encoders=[score_section(encoder, networks) for encoder in encoders],
            specification=curves(histories, MEASURES),
            script=script(),
        )
        save_text(page, html)
        run.file(page)
        click.echo(f"{page}: {page.stat().st_size / 1e6:.1f} MB", err=True)


def read_story(story: Path, encoders: Sequence[str]) -> dict[str, Any]:
    """What a network's training, and its evaluations by ENCODERS, left in the folder STORY.

    Raises:
        PipelineError: a file of it is missing or broken.
    """
    import numpy as np
    import pandas as pd

    try:
        run = json.loads((story / "run.json").read_text(encoding="utf-8"))
        history = pd.read_csv(story / "history.csv")
        with np.load(story / "samples.npz", allow_pickle=False) as samples:
            epochs, pictures = samples["epochs"], samples["pictures"]
        folder = story / "scores"
        return {
            "name": story.name,
            "run": run,
            "history": history,
            "scores": {
                encoder: json.loads((folder / f"{encoder}.json").read_text(encoding="utf-8"))
                for encoder in encoders
            },
            "curves": {encoder: pd.read_csv(folder / f"{encoder}.csv") for encoder in encoders},
            "pictures": pictures,
            "moments": ", ".join(f"{epoch:.2g}" for epoch in epochs),
            "duration": duration(run["seconds"]),
            "facts": [
                *((key, value) for key, value in run["params"].items()),
                *((key, value) for key, value in run.items() if key != "params"),
            ],
        }
    except FileNotFoundError as fault:
        raise PipelineError(
            f"{fault.filename} is missing; run `dvc repro`, which trains and scores first."
        ) from fault
    except (ValueError, KeyError, EOFError, OSError, BadZipFile) as fault:
        raise PipelineError(f"{story} cannot be read ({fault}); run `dvc repro`.") from fault


def score_section(encoder: str, networks: list[dict[str, Any]]) -> dict[str, Any]:
    """What the page shows of the scores of NETWORKS by ENCODER: a table and curves.

    Kernel distances are shown a thousandfold, as papers do.

    Raises:
        PipelineError: a network's scores lack one.
    """
    from stages.pictures.charts import curves
    from stages.scoring.names import full_name

    titles = {**TITLES, **(INCEPTION_TITLES if encoder == "inception" else {})}
    titles = {score: titles[score] for score in titles if score in networks[0]["curves"][encoder]}
    rows, tables, truths = [], {}, {}
    for network in networks:
        scores, curve = network["scores"][encoder], network["curves"][encoder]
        try:
            cells = {
                score: [
                    scores[f"{full_name(score, encoder)}{kind}"] * (1000 if score == "kd" else 1)
                    for kind in ("", "_spread", "_reals")
                ]
                for score in titles
            }
            told = {key: scores[key] for key in ("pictures", "draws", "encoder_sha256")}
            tables[network["name"]] = curve.assign(kd=curve["kd"] * 1000)[["epoch", *titles]]
        except KeyError as fault:
            raise PipelineError(
                f"{network['name']}: the scores by {encoder} lack {fault}; "
                f"run `dvc repro -f -s evaluate_{network['name']}@{encoder}`."
            ) from fault
        legacy = {key: value for key, value in scores.items() if key.startswith("legacy")}
        rows.append({"network": network["name"], "cells": cells.values(), "legacy": legacy, **told})
        truths[network["name"]] = {score: cell[2] for score, cell in cells.items()}
    return {
        "name": encoder,
        "title": ENCODERS[encoder],
        "columns": titles.values(),
        "rows": rows,
        "specification": curves(tables, titles, truths),
    }


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
