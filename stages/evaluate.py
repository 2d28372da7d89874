"""Score a trained generator over its training."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pokegan.core.errors import PipelineError
from pokegan.core.files import save_json, save_table
from pokegan.core.params import NetworkName, Params, read_networks, read_params
from pokegan.core.schema import ENCODERS

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch

    from pokegan.metrics.encoding import Encoder, Features


@click.command()
@click.argument("network", type=NetworkName())
@click.argument("encoder_name", metavar="ENCODER", type=click.Choice(ENCODERS))
@click.argument("features", type=click.Path(path_type=Path))
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("folder", metavar="SCORES", type=click.Path(path_type=Path))
def evaluate(network: str, encoder_name: str, features: Path, model: Path, folder: Path) -> None:
    """Score the generator of NETWORK in the folder MODEL with ENCODER.

    FEATURES (.npz) are those of the real images. The folder SCORES receives ENCODER.csv, one row
    for each of some snapshots of the training, and ENCODER.json: mean and spread of the last
    snapshot's scores over several draws of latents, the Fréchet distance extrapolated to infinitely
    many images, and the scores of real against real images.
    """
    params = read_params("seed", "evaluate.draws", "evaluate.curve_points", "evaluate.splits")
    stage = f"evaluate_{read_networks()[network].reference}@{network}-{encoder_name}"

    import pandas as pd

    from pokegan.compute.device import choose_device, set_deterministic
    from pokegan.core.provenance import machine
    from pokegan.metrics.encoding import load_encoder
    from pokegan.metrics.features import load_features
    from pokegan.metrics.names import metric_name
    from pokegan.metrics.protocol import Reference, named_scores
    from pokegan.tracking.run import track_run

    set_deterministic(params.seed)
    device = choose_device()
    encoder = load_encoder(encoder_name, device)
    reference = Reference(*load_features(features, encoder), params.evaluate.splits)
    if reference.splits > len(reference):
        raise PipelineError(
            f"evaluate.splits is {reference.splits}, but only {len(reference)} images are scored; "
            "lower it."
        )
    facts = {
        "encoder": encoder_name,
        "encoder_sha256": encoder.sha256,
        "pictures": len(reference),
        "draws": params.evaluate.draws,
        "splits": params.evaluate.splits,
    }
    with track_run(stage, params) as run:
        rows = []
        snapshots = encode_snapshots(stage, model, encoder, len(reference), params, device)
        for snapshot, draws in snapshots:
            mean, std = reference.score_draws(draws)
            rows.append({**snapshot, **mean})
            logged = named_scores(encoder_name, mean)
            run.log_metrics(logged, step=snapshot["step"])
        mean["fd_infinity"] = reference.fd_infinity(draws)
        final = named_scores(encoder_name, mean, reference.real_scores(), std)
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


def encode_snapshots(
    title: str,
    model: Path,
    encoder: Encoder,
    count: int,
    params: Params,
    device: torch.device,
) -> Iterator[tuple[dict[str, Any], list[Features]]]:
    """Encode `count` generated images of snapshots of a generator, of the last in several draws.

    Yields epoch and step of the snapshot, and the features of each draw of latents.
    """
    import numpy as np

    from pokegan.compute.randomness import Streams
    from pokegan.core.progress import progress_bar
    from pokegan.metrics.encoding import encode
    from pokegan.networks.sampling import generate_images, sample_latents
    from pokegan.networks.weights import load_network, read_config

    config, draws = read_config(model), params.evaluate.draws
    if not config["snapshots"]:
        raise PipelineError(f"{model} holds no snapshot of its generator; train it again.")
    points = min(params.evaluate.curve_points, len(config["snapshots"]))
    # From the last one backwards: a single point is the last.
    rows = np.linspace(len(config["snapshots"]) - 1, 0, points).round().astype(int)[::-1]
    snapshots = [config["snapshots"][row] for row in rows]
    stream = Streams(params.seed)["evaluation latents"]
    z = sample_latents(draws * count, config["latent_dim"], stream).split(count)
    with progress_bar(title, (len(snapshots) - 1 + draws) * count) as bar:
        for snapshot in snapshots:
            generator = load_network(model, "generator", snapshot["step"]).to(device)
            fakes = [
                encode(encoder, generate_images(generator, each).numpy(), device, bar.update)
                for each in (z if snapshot is snapshots[-1] else z[:1])
            ]
            yield {key: snapshot[key] for key in ("epoch", "step")}, fakes


if __name__ == "__main__":
    evaluate()
