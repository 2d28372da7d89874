"""Encode true pictures, once for all evaluations."""

from __future__ import annotations

from pathlib import Path

import click

from pokegan.core.files import atomic_write
from pokegan.core.params import read_params
from pokegan.core.schema import ENCODERS


@click.command()
@click.argument("encoder", type=click.Choice(ENCODERS))
@click.argument("pictures", type=click.Path(path_type=Path))
@click.argument("features", type=click.Path(path_type=Path))
def encode(encoder: str, pictures: Path, features: Path) -> None:
    """Write what ENCODER says of two random halves of PICTURES into FEATURES (.npz).

    Generated pictures are compared with the first; the second tells what true pictures score.
    """
    params = read_params("seed", "evaluate.pictures")

    from itertools import chain

    from pokegan.compute.device import choose_device, set_deterministic
    from pokegan.core.arrays import load_images
    from pokegan.core.progress import progress_bar
    from pokegan.core.provenance import machine
    from pokegan.metrics.encoding import encode, load_encoder
    from pokegan.metrics.features import halves, save_features
    from pokegan.tracking.run import track_run

    stage = f"encode_{pictures.stem}@{encoder}"
    data = load_images(pictures)
    parts = halves(len(data), params.evaluate.pictures, params.seed)
    set_deterministic(params.seed)
    device = choose_device()
    network = load_encoder(encoder, device)
    with track_run(stage, params) as run:
        count = len(parts[0])
        with progress_bar(stage, 2 * count) as bar:
            rows = chain.from_iterable(parts)
            encoding = encode(network, (data[row] for row in rows), device, bar.update)
        with atomic_write(features) as temporary:
            save_features(temporary, network, parts, (encoding[:count], encoding[count:]))
        run.set_tags({"encoder": encoder, "encoder_sha256": network.sha256, **machine(device)})
        click.echo(f"{features}: 2 × {count} of the {len(data)} pictures", err=True)


if __name__ == "__main__":
    encode()
