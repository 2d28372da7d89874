"""Index training pictures, for a search of what generated ones resemble."""

from __future__ import annotations

from pathlib import Path

import click

from pokegan.core.files import atomic_write
from pokegan.core.params import read_params
from pokegan.core.schema import ENCODERS


@click.command()
@click.argument("encoder", type=click.Choice(ENCODERS))
@click.argument("pictures", type=click.Path(path_type=Path))
@click.argument("manifest", type=click.Path(path_type=Path))
@click.argument("output", type=click.Path(path_type=Path))
def index(encoder: str, pictures: Path, manifest: Path, output: Path) -> None:
    """Write what ENCODER says of all PICTURES into OUTPUT (.npz), to be searched.

    Of each picture OUTPUT tells, too, how far the nearest of another species is, and the nearest
    other one of its own: a mirror image, a jittered copy, another frame. MANIFEST names the species
    of the pictures, or of the first third of them, which the others are copies of; where label.npm
    is null, each source file is one.
    """
    params = read_params("label")

    from pokegan.analysis.copies import Index, nearest_relatives, read_species, save_index
    from pokegan.compute.device import choose_device, set_deterministic
    from pokegan.core.arrays import load_images
    from pokegan.core.progress import progress_bar
    from pokegan.core.provenance import machine
    from pokegan.metrics.encoding import encode, load_encoder
    from pokegan.tracking.run import track_run

    stage = f"index_{pictures.stem}"
    data = load_images(pictures)
    species = read_species(manifest, len(data), numbered=params.label.npm is not None)
    set_deterministic(0)
    device = choose_device()
    network = load_encoder(encoder, device)
    with track_run(stage, params) as run:
        with progress_bar(stage, len(data)) as bar:
            features = encode(network, data, device, bar.update).features
        to_own, to_others = nearest_relatives(features, species)
        with atomic_write(output) as temporary:
            save_index(temporary, network, Index(features, to_own, to_others))
        run.set_tags({"encoder": encoder, "encoder_sha256": network.sha256, **machine(device)})
        count = len(set(species.tolist()))
        click.echo(f"{output}: {len(data)} pictures of {count} species", err=True)


if __name__ == "__main__":
    index()
