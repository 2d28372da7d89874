"""Probe a trained discriminator: what does it see, and what else is that good for?"""

from __future__ import annotations

from pathlib import Path

import click

from pokegan.core.files import atomic_write, save_json
from pokegan.core.params import NetworkName, read_params


@click.command()
@click.argument("name", type=NetworkName())
@click.argument("pictures", type=click.Path(path_type=Path))
@click.argument("labels", type=click.Path(path_type=Path))
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("scores", type=click.Path(path_type=Path))
@click.argument("filters", type=click.Path(path_type=Path))
def probe(
    name: str, pictures: Path, labels: Path, model: Path, scores: Path, filters: Path
) -> None:
    """Probe the discriminator of the network NAME in the folder MODEL, which stays as it is.

    SCORES (.json) gets how well the first types in LABELS of held-out PICTURES can be told from its
    features, and from those that it had before its training; FILTERS (.npz) the filters of its
    first layer as pictures, and as they were before.
    """
    params = read_params("seed")

    import numpy as np

    from pokegan.analysis.discriminators import (
        calibrate,
        filter_pictures,
        first_filters,
        layer_features,
        likeness,
    )
    from pokegan.analysis.probing import linear_probe, make_task, read_labels, summary
    from pokegan.compute.device import choose_device, set_deterministic
    from pokegan.compute.randomness import Streams
    from pokegan.core.arrays import check_resolution, load_images
    from pokegan.core.provenance import machine
    from pokegan.networks.factory import build_network
    from pokegan.networks.weights import load_network, read_config
    from pokegan.tracking.run import track_run

    data = load_images(pictures)
    task = make_task(read_labels(labels, len(data)))
    set_deterministic(params.seed)
    device = choose_device()
    trained = load_network(model, "discriminator").to(device)
    description = read_config(model)["networks"]["discriminator"]
    # The very weights that the training began with.
    untrained = build_network(description, Streams(params.seed), "discriminator").to(device)
    check_resolution(pictures, data.shape[1], description["resolution"])
    with track_run(f"probe_{name}", params) as run:
        calibrate(untrained, data)
        found = {"filters_likeness": round(likeness(*map(first_filters, (trained, untrained))), 4)}
        if task.is_possible:
            shown = data[task.rows]
            after, before = (
                linear_probe(layer_features(network, shown), task, params.seed)[0]
                for network in (trained, untrained)
            )
            gains = [
                {score: value - earlier[score] for score, value in later.items()}
                for later, earlier in zip(after, before, strict=True)
            ]
            for kind, folds in (("trained", after), ("untrained", before), ("gain", gains)):
                found |= summary(kind, folds)
        facts = {"network": name, "filters": len(first_filters(trained)), **task.facts}
        save_json(scores, {**facts, **found})
        with atomic_write(filters) as temporary, temporary.open("wb") as file:
            np.savez(
                file,
                trained=filter_pictures(first_filters(trained)),
                untrained=filter_pictures(first_filters(untrained)),
            )
        run.log_metrics(found)
        run.set_tags({**facts, **machine(device)})
        said = (
            f"{found['trained_accuracy']:.1%} of the types of held-out pictures told, "
            f"{found['untrained_accuracy']:.1%} before its training"
            if task.is_possible
            else "too few pictures to tell types apart"
        )
        click.echo(f"{scores}: {len(task)} pictures; {said}", err=True)


if __name__ == "__main__":
    probe()
