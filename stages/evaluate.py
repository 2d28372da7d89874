"""Score a trained generator over its training."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pokegan.core.errors import PipelineError
from pokegan.core.files import save_json, save_table
from pokegan.core.params import NetworkName, Params, read_networks, read_params
from pokegan.core.schema import ENCODERS

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch
    from torch import Tensor

    from pokegan.metrics.encoding import Encoder, Features
    from pokegan.metrics.protocol import Reference, SnapshotScores


@click.command()
@click.argument("network", type=NetworkName())
@click.argument("encoder_name", metavar="ENCODER", type=click.Choice(ENCODERS))
@click.argument("features", type=click.Path(path_type=Path))
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("folder", metavar="SCORES", type=click.Path(path_type=Path))
def evaluate(network: str, encoder_name: str, features: Path, model: Path, folder: Path) -> None:
    """Score the generator of NETWORK in the folder MODEL with ENCODER.

    FEATURES (.npz) are those of the real images. The folder SCORES receives ENCODER.csv, one row
    per snapshot of the training, and ENCODER.json: mean and spread of the last snapshot's scores
    over several draws of latents, and the scores of real against real images.
    """
    params = read_params("seed", "evaluate.draws", "evaluate.splits", "evaluate.legacy_128")
    stage = f"evaluate_{read_networks()[network].reference}@{network}-{encoder_name}"

    import pandas as pd

    from pokegan.compute.device import choose_device, set_deterministic
    from pokegan.core.provenance import machine
    from pokegan.metrics.encoding import load_encoder
    from pokegan.metrics.features import load_features
    from pokegan.metrics.names import metric_name
    from pokegan.metrics.protocol import Reference, check_counts, legacy_best, named_scores
    from pokegan.networks.weights import read_config
    from pokegan.tracking.run import track_run

    set_deterministic(params.seed)
    device = choose_device()
    encoder = load_encoder(encoder_name, device)
    reference = Reference(*load_features(features, encoder), params.evaluate.splits)
    check_counts(params.evaluate, len(reference))
    if not read_config(model)["snapshots"]:
        raise PipelineError(f"{model} holds no snapshot of its generator; train it again.")
    facts = {
        "encoder": encoder_name,
        "encoder_sha256": encoder.sha256,
        "pictures": len(reference),
        "draws": params.evaluate.draws,
        "splits": params.evaluate.splits,
    }
    with track_run(stage, params) as run:
        snapshots = []
        for each in score_training(stage, model, encoder, reference, params, device):
            snapshots.append(each)
            logged = named_scores(encoder_name, each.mean)
            run.log_metrics(logged, step=each.step)
        final = named_scores(encoder_name, each.mean, reference.real_scores(), each.std)
        final |= legacy_best(encoder_name, snapshots)
        rows = [{"epoch": each.epoch, "step": each.step, **each.mean} for each in snapshots]
        save_table(folder / f"{encoder_name}.csv", pd.DataFrame(rows), digits=6)
        save_json(folder / f"{encoder_name}.json", {**facts, **final})
        run.log_metrics({key: value for key, value in final.items() if key not in logged})
        run.set_tags({"network": network, **facts, **machine(device)})
        run.log_model(network, model, encoder_name, {**facts, **final})
        fd = metric_name("fd", encoder_name)
        click.echo(
            f"{folder / encoder_name}.json: {fd} {final[fd]:.1f} ± {final[f'{fd}_spread']:.1f}, "
            f"real vs real {final[f'{fd}_reals']:.1f}; {len(reference)} images per side",
            err=True,
        )


def score_training(
    title: str,
    model: Path,
    encoder: Encoder,
    reference: Reference,
    params: Params,
    device: torch.device,
) -> Iterator[SnapshotScores]:
    """Score each snapshot of a trained generator, with a progress bar."""
    from pokegan.compute.randomness import Streams
    from pokegan.core.progress import progress_bar
    from pokegan.metrics.encoding import encode
    from pokegan.metrics.protocol import LEGACY_BATCH, score_snapshots
    from pokegan.networks.sampling import generate_images, sample_latents
    from pokegan.networks.weights import load_network, read_config

    config, count, draws = read_config(model), len(reference), params.evaluate.draws
    snapshots, streams = config["snapshots"], Streams(params.seed)

    def latents(count: int, stream: str) -> Tensor:
        return sample_latents(count, config["latent_dim"], streams[stream])

    def sample(step: int, z: Tensor, training: bool) -> Features:
        generator = load_network(model, "generator", step).to(device)
        images = generate_images(generator, z, len(z) if training else 64, training)
        return encode(encoder, images.numpy(), device, bar.update)

    z = latents(draws * count, "evaluation latents").split(count)
    legacy_z = latents(LEGACY_BATCH, "legacy latents") if params.evaluate.legacy_128 else None
    total = (len(snapshots) - 1 + draws) * count
    total += len(snapshots) * LEGACY_BATCH if params.evaluate.legacy_128 else 0
    with progress_bar(title, total) as bar:
        yield from score_snapshots(snapshots, sample, reference, z, legacy_z)


if __name__ == "__main__":
    evaluate()
