"""Encode true pictures, once for all evaluations."""

from __future__ import annotations

from pathlib import Path

import click

from stages.outputs import whole
from stages.params import ENCODERS, read_params


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

    from stages.datasets import load_pictures
    from stages.gan.device import be_exact, choose_device
    from stages.progress import picture_bar
    from stages.provenance import machine
    from stages.scoring.encoding import encode, load_encoder
    from stages.scoring.features import halves, save_features
    from stages.tracking import tracked

    stage = f"encode_{pictures.stem}@{encoder}"
    data = load_pictures(pictures)
    parts = halves(len(data), params.evaluate.pictures, params.seed)
    be_exact(params.seed)
    device = choose_device()
    network = load_encoder(encoder, device)
    with tracked(stage, params) as run:
        count = len(parts[0])
        with picture_bar(stage, 2 * count) as bar:
            rows = chain.from_iterable(parts)
            encoding = encode(network, (data[row] for row in rows), device, bar.update)
        with whole(features) as temporary:
            save_features(temporary, network, parts, (encoding[:count], encoding[count:]))
        run.facts({"encoder": encoder, "encoder_sha256": network.sha256, **machine(device)})
        click.echo(f"{features}: 2 × {count} of the {len(data)} pictures", err=True)


if __name__ == "__main__":
    encode()
