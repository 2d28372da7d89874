"""Contrast types of Pokémon: how much does a type say of what a picture looks like?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pokegan.core.files import atomic_write, save_json
from pokegan.core.params import read_params
from pokegan.core.schema import ENCODERS

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


@click.command()
@click.argument("encoder", type=click.Choice(ENCODERS))
@click.argument("pictures", type=click.Path(path_type=Path))
@click.argument("labels", type=click.Path(path_type=Path))
@click.argument("scores", type=click.Path(path_type=Path))
@click.argument("types", type=click.Path(path_type=Path))
def contrast(encoder: str, pictures: Path, labels: Path, scores: Path, types: Path) -> None:
    """How well can the first types in LABELS be told from held-out PICTURES, and by what?

    By colour alone, by shape alone, by raw pixels, and by what ENCODER says of them. SCORES (.json)
    gets how well, TYPES (.npz) mean colour, picture and silhouette of each type.
    """
    params = read_params("seed")

    import numpy as np

    from pokegan.analysis.appearance import colour_histograms, raw_pixels, shapes
    from pokegan.analysis.probing import (
        always_the_commonest,
        linear_probe,
        make_task,
        read_labels,
        summary,
    )
    from pokegan.compute.device import choose_device, set_deterministic
    from pokegan.core.arrays import load_images
    from pokegan.core.progress import progress_bar
    from pokegan.core.provenance import machine
    from pokegan.metrics.encoding import encode, load_encoder
    from pokegan.tracking.run import track_run

    data = load_images(pictures)
    known = read_labels(labels, len(data))
    task = make_task(known)
    set_deterministic(params.seed)
    device = choose_device()
    network = load_encoder(encoder, device)
    facts = {"encoder": encoder, "encoder_sha256": network.sha256, **task.facts}
    with track_run("contrast", params) as run:
        found: dict[str, float] = {}
        told = {}
        if task.is_possible:
            shown = data[task.rows]
            with progress_bar("contrast", len(task)) as bar:
                encoded = encode(network, shown, device, bar.update).features
            folds, facts["commonest"] = always_the_commonest(task, params.seed)
            found |= summary("commonest", folds)
            for kind, features in (
                ("colour", colour_histograms(shown)),
                ("shape", shapes(shown)),
                ("pixels", raw_pixels(shown)),
                ("encoder", encoded),
            ):
                folds, told[kind] = linear_probe(features, task, params.seed)
                found |= summary(kind, folds)
        save_json(scores, {**facts, **found})
        right = {kind: guesses == task.types for kind, guesses in told.items()}
        with atomic_write(types) as temporary, temporary.open("wb") as file:
            np.savez(file, **portraits(data, known, task.rows, right))
        run.log_metrics(found)
        run.set_tags({**facts, **machine(device)})
        said = (
            f"colour alone tells {found['colour_accuracy']:.1%} of the types, "
            f"shape alone {found['shape_accuracy']:.1%}"
            if found
            else "too few pictures to tell types apart"
        )
        click.echo(f"{scores}: {len(task)} pictures; {said}", err=True)


def portraits(
    pictures: np.ndarray, labels: pd.DataFrame, rows: np.ndarray, right: dict[str, np.ndarray]
) -> dict[str, Any]:
    """What each type looks like on average, the commonest first; of T types with PICTURES.

    names (T,), counts (T,), colours (T, 3) of what is drawn, means (T, R, R, 3) and silhouettes
    (T, R, R), all three uint8; for each kind in RIGHT, whether the pictures ROWS (N,) were told
    right (N,), told_by_<kind> (T,): the share of the type's, NaN where it was left out.
    """
    import numpy as np

    from pokegan.analysis.appearance import mean_colours, silhouettes

    types = labels["first_type"]
    counts = types.value_counts().sort_index().sort_values(ascending=False, kind="stable")
    resolution = pictures.shape[1]
    found: dict[str, np.ndarray] = {
        "names": np.array(counts.index, dtype=str),
        "counts": counts.to_numpy(dtype=int),
        "colours": np.empty((len(counts), 3), np.uint8),
        "means": np.empty((len(counts), resolution, resolution, 3), np.uint8),
        "silhouettes": np.empty((len(counts), resolution, resolution), np.uint8),
        **{f"told_by_{kind}": np.full(len(counts), np.nan) for kind in right},
    }
    for place, name in enumerate(counts.index):
        members = (types == name).fillna(False).to_numpy(dtype=bool)
        own = pictures[members]
        found["colours"][place] = mean_colours(own).mean(axis=0).round()
        found["means"][place] = own.mean(axis=0).round()
        found["silhouettes"][place] = (255 * silhouettes(own).mean(axis=0)).round()
        for kind, hits in right.items():
            if members[rows].any():
                found[f"told_by_{kind}"][place] = hits[members[rows]].mean()
    return found


if __name__ == "__main__":
    contrast()
