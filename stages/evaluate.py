"""Score a trained generator, at the end and over its training."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stages.errors import PipelineError
from stages.outputs import save_json, save_table
from stages.params import ENCODERS, read_params

if TYPE_CHECKING:
    import torch

    from stages.scoring.encoding import Encoding


@click.command()
@click.argument("name", type=click.Choice(["dcgan819", "dcgan14000", "aegan"]))
@click.argument("encoder", type=click.Choice(ENCODERS))
@click.argument("features", type=click.Path(path_type=Path))
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("scores", type=click.Path(path_type=Path))
def evaluate(name: str, encoder: str, features: Path, model: Path, scores: Path) -> None:
    """Score the generator of the network NAME in the folder MODEL by ENCODER.

    FEATURES are those of the true pictures. The folder SCORES gets ENCODER.csv, a row a snapshot
    of the training, and ENCODER.json: the last one's scores, mean and spread of several draws,
    beside what true pictures score.
    """
    params = read_params("seed", "evaluate.draws", "evaluate.splits", "evaluate.legacy_128")
    protocol = params.evaluate

    import pandas as pd

    from stages.gan.device import be_exact, choose_device
    from stages.gan.networks import draw_pictures
    from stages.gan.randomness import Streams, latents
    from stages.gan.weights import load_network, read_configuration
    from stages.progress import picture_bar
    from stages.provenance import machine
    from stages.scoring.encoding import encode, load_encoder
    from stages.scoring.features import load_features
    from stages.scoring.names import NAMES
    from stages.scoring.protocol import (
        LEGACY_BATCH,
        Reals,
        legacy_best,
        legacy_scores,
        mean_and_spread,
    )
    from stages.tracking import tracked

    stage = f"evaluate_{name}@{encoder}"
    reals = Reals(*load_features(features, encoder))
    if protocol.splits > len(reals):
        raise PipelineError(
            f"evaluate.splits is {protocol.splits}, but only {len(reals)} pictures are scored; "
            "lower it."
        )
    if protocol.legacy_128 and len(reals) < LEGACY_BATCH:
        raise PipelineError(
            f"evaluate.legacy_128 needs {LEGACY_BATCH} pictures on each side, but there are "
            f"{len(reals)}; raise evaluate.pictures, or set it to false."
        )
    configuration = read_configuration(model)
    snapshots, latent_dim = configuration["snapshots"], configuration["latent_dim"]
    be_exact(params.seed)
    device = choose_device()
    network = load_encoder(encoder, device)
    streams = Streams(params.seed)
    count = protocol.draws * len(reals)
    z = latents(count, latent_dim, streams["evaluation latents"]).split(len(reals))
    legacy_z = latents(LEGACY_BATCH, latent_dim, streams["legacy latents"])

    total = (len(snapshots) - 1) * len(reals) + count
    total += len(snapshots) * LEGACY_BATCH if protocol.legacy_128 else 0
    with tracked(stage, params) as run, picture_bar(stage, total) as bar:

        def drawn(generator: torch.nn.Module, z: torch.Tensor, training: bool = False) -> Encoding:
            batch_size = len(z) if training else 64
            fakes = draw_pictures(generator, z, batch_size, training)
            return encode(network, fakes.numpy(), device, bar.update)

        rows, legacy = [], []
        for snapshot in snapshots:
            generator = load_network(model, "generator", snapshot["step"]).to(device)
            # Every snapshot draws the same latents; the last one others as well.
            several = z if snapshot == snapshots[-1] else z[:1]
            draws = [
                reals.score(drawn(generator, each), encoder, protocol.splits) for each in several
            ]
            found, spread = mean_and_spread(draws)
            run.metrics(found, step=snapshot["step"])
            rows.append({"epoch": snapshot["epoch"], "step": snapshot["step"], **found})
            if protocol.legacy_128:
                students = drawn(generator, legacy_z, training=True)
                legacy.append(legacy_scores(students, reals.first, encoder))

        truth = reals.floor(encoder, protocol.splits)
        figures = {
            **{f"{key}_spread": value for key, value in spread.items()},
            **{f"{key}_reals": value for key, value in truth.items()},
            **(legacy_best(legacy, encoder) if legacy else {}),
        }
        save_table(scores / f"{encoder}.csv", pd.DataFrame([significant(row) for row in rows]))
        told = {
            "encoder": encoder,
            "encoder_sha256": network.sha256,
            "pictures": len(reals),
            "draws": protocol.draws,
            "splits": protocol.splits,
        }
        save_json(scores / f"{encoder}.json", {**told, **significant({**found, **figures})})
        run.metrics(figures)
        run.facts({"network": name, **told, **machine(device)})
        distance = NAMES[encoder]["fd"]
        click.echo(
            f"{scores / encoder}.json: {distance} {found[distance]:.1f} "
            f"± {spread[distance]:.1f}, of true pictures {truth[distance]:.1f}; "
            f"{len(reals)} pictures a side, {protocol.draws} draws",
            err=True,
        )


def significant(values: Mapping[str, Any]) -> dict[str, Any]:
    """VALUES with six significant digits, which is more than any score is worth."""
    return {k: float(f"{v:.6g}") if isinstance(v, float) else v for k, v in values.items()}


if __name__ == "__main__":
    evaluate()
