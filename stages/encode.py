"""Encode two halves of the real images, once for all evaluations."""

from pathlib import Path

import click

from pokegan.core.params import read_params


@click.command()
@click.argument("pictures", type=click.Path(path_type=Path))
@click.argument("features", type=click.Path(path_type=Path))
def encode(pictures: Path, features: Path) -> None:
    """Encode two random halves of PICTURES (.npy) with each encoder, and write FEATURES (.npz).

    Generated images are scored against the first half. The second half is scored in the same way:
    real against real.
    """
    params = read_params("seed", "evaluate.encoders", "evaluate.pictures")

    from itertools import chain

    from pokegan.compute.device import choose_device, set_deterministic
    from pokegan.core.arrays import load_images
    from pokegan.core.progress import progress_bar
    from pokegan.core.provenance import machine
    from pokegan.metrics.encoding import encode, load_encoder
    from pokegan.metrics.features import halves, save_features
    from pokegan.tracking.run import track_run

    stage = f"encode@{pictures.stem}"
    images = load_images(pictures)
    rows = halves(len(images), params.evaluate.pictures, params.seed)
    count = len(rows[0])
    set_deterministic(params.seed)
    device = choose_device()
    encoders = [load_encoder(name, device) for name in params.evaluate.encoders]
    with track_run(stage, params) as run:
        encoded = {}
        with progress_bar(stage, 2 * count * len(encoders)) as bar:
            for encoder in encoders:
                # In one pass: other batches change the last bits.
                selected = (images[row] for row in chain(*rows))
                found = encode(encoder, selected, device, bar.update)
                encoded[encoder] = found[:count], found[count:]
        save_features(features, rows, encoded)
        run.set_tags({f"sha256_{each.name}": each.sha256 for each in encoders} | machine(device))
        click.echo(f"{features}: 2 × {count} of {len(images)} images", err=True)


if __name__ == "__main__":
    encode()
