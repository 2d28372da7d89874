"""Encode two halves of the real images, once for all evaluations."""

from pathlib import Path

import click

from pokegan.core.params import read_params
from pokegan.core.schema import ENCODERS


@click.command()
@click.argument("encoder_name", metavar="ENCODER", type=click.Choice(ENCODERS))
@click.argument("pictures", type=click.Path(path_type=Path))
@click.argument("features", type=click.Path(path_type=Path))
def encode(encoder_name: str, pictures: Path, features: Path) -> None:
    """Write the features of two random halves of PICTURES (.npy) to FEATURES (.npz).

    Generated images are scored against the first half. The second half is scored in the same way:
    real against real.
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

    stage = f"encode@{pictures.stem}-{encoder_name}"
    images = load_images(pictures)
    rows = halves(len(images), params.evaluate.pictures, params.seed)
    count = len(rows[0])
    set_deterministic(params.seed)
    device = choose_device()
    encoder = load_encoder(encoder_name, device)
    with track_run(stage, params) as run:
        with progress_bar(stage, 2 * count) as bar:
            # In one pass: other batches change the last bits.
            selected = (images[row] for row in chain(*rows))
            encoded = encode(encoder, selected, device, bar.update)
        save_features(features, encoder, rows, (encoded[:count], encoded[count:]))
        run.set_tags({"encoder": encoder_name, "encoder_sha256": encoder.sha256, **machine(device)})
        click.echo(f"{features}: 2 × {count} of {len(images)} images", err=True)


if __name__ == "__main__":
    encode()
