"""Score a trained generator, at the end and over its training."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pokegan.core.errors import PipelineError
from pokegan.core.files import save_json, save_table
from pokegan.core.params import NetworkName, read_params
from pokegan.core.schema import ENCODERS

if TYPE_CHECKING:
    import torch

    from pokegan.core.schema import Evaluate
    from pokegan.metrics.encoding import Features


@click.command()
@click.argument("name", type=NetworkName())
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

    from pokegan.compute.device import choose_device, set_deterministic
    from pokegan.compute.randomness import Streams
    from pokegan.core.progress import progress_bar
    from pokegan.core.provenance import machine
    from pokegan.metrics.encoding import encode, load_encoder
    from pokegan.metrics.features import load_features
    from pokegan.metrics.names import metric_name
    from pokegan.metrics.protocol import (
        LEGACY_BATCH,
        Reference,
        legacy_best,
        legacy_scores,
        mean_and_spread,
        summary,
    )
    from pokegan.networks.sampling import generate_images, sample_latents
    from pokegan.networks.weights import load_network, read_config
    from pokegan.tracking.run import track_run

    stage = f"evaluate_{name}@{encoder}"
    set_deterministic(params.seed)
    device = choose_device()
    network = load_encoder(encoder, device)
    reals = Reference(*load_features(features, network))
    check_numbers(protocol, len(reals), LEGACY_BATCH)
    configuration = read_config(model)
    snapshots, latent_dim = configuration["snapshots"], configuration["latent_dim"]
    if not snapshots:
        raise PipelineError(f"{model} holds no snapshot of its generator; train it again.")
    streams = Streams(params.seed)
    count = protocol.draws * len(reals)
    z = sample_latents(count, latent_dim, streams["evaluation latents"]).split(len(reals))
    legacy_z = sample_latents(LEGACY_BATCH, latent_dim, streams["legacy latents"])

    total = (len(snapshots) - 1) * len(reals) + count
    total += len(snapshots) * LEGACY_BATCH if protocol.legacy_128 else 0
    with track_run(stage, params) as run, progress_bar(stage, total) as bar:

        def drawn(generator: torch.nn.Module, z: torch.Tensor, training: bool = False) -> Features:
            batch_size = len(z) if training else 64
            fakes = generate_images(generator, z, batch_size, training)
            return encode(network, fakes.numpy(), device, bar.update)

        rows, legacy = [], []
        for snapshot in snapshots:
            generator = load_network(model, "generator", snapshot["step"]).to(device)
            # Every snapshot draws the same latents; the last one others as well.
            several = z if snapshot == snapshots[-1] else z[:1]
            draws = [reals.score(drawn(generator, each), protocol.splits) for each in several]
            found, spread = mean_and_spread(draws)
            rows.append({"epoch": snapshot["epoch"], "step": snapshot["step"], **found})
            told = {metric_name(score, encoder): value for score, value in found.items()}
            run.log_metrics(told, step=snapshot["step"])
            if protocol.legacy_128:
                students = drawn(generator, legacy_z, training=True)
                legacy.append(legacy_scores(students, reals.first))

        scored = summary(encoder, found, reals.floor(protocol.splits), spread)
        for score, value in (legacy_best(legacy) if legacy else {}).items():
            scored[f"legacy_128_{metric_name(score, encoder)}"] = float(f"{value:.6g}")
        facts = {
            "encoder": encoder,
            "encoder_sha256": network.sha256,
            "pictures": len(reals),
            "draws": protocol.draws,
            "splits": protocol.splits,
        }
        save_table(scores / f"{encoder}.csv", pd.DataFrame(rows), digits=6)
        save_json(scores / f"{encoder}.json", {**facts, **scored})
        run.log_metrics({key: value for key, value in scored.items() if key not in told})
        run.set_tags({"network": name, **facts, **machine(device)})
        run.log_model(name, model, encoder, {**facts, **scored})
        distance = metric_name("fd", encoder)
        click.echo(
            f"{scores / encoder}.json: {distance} {scored[distance]:.1f} "
            f"± {scored[f'{distance}_spread']:.1f}, of true pictures "
            f"{scored[f'{distance}_reals']:.1f}; {len(reals)} pictures a side, "
            f"{protocol.draws} draws",
            err=True,
        )


def check_numbers(protocol: Evaluate, pictures: int, legacy: int) -> None:
    """Raise a PipelineError unless PICTURES a side are enough for what PROTOCOL asks."""
    if protocol.splits > pictures:
        raise PipelineError(
            f"evaluate.splits is {protocol.splits}, but only {pictures} pictures are scored; "
            "lower it."
        )
    if protocol.legacy_128 and pictures < legacy:
        raise PipelineError(
            f"evaluate.legacy_128 needs {legacy} pictures on each side, but there are {pictures}; "
            "raise evaluate.pictures, or set it to false."
        )


if __name__ == "__main__":
    evaluate()
