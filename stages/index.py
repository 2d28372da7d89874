"""Index training pictures, for a search of what generated ones resemble."""

from __future__ import annotations

from pathlib import Path

import click

from stages.outputs import whole
from stages.params import ENCODERS, read_params


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

    from stages.datasets import load_pictures
    from stages.gan.device import be_exact, choose_device
    from stages.progress import picture_bar
    from stages.provenance import machine
    from stages.scoring.encoding import encode, load_encoder
    from stages.scoring.resemblance import Index, nearest_relatives, read_species, save_index
    from stages.tracking import tracked

    stage = f"index_{pictures.stem}"
    data = load_pictures(pictures)
    species = read_species(manifest, len(data), numbered=params.label.npm is not None)
    be_exact(0)
    device = choose_device()
    network = load_encoder(encoder, device)
    with tracked(stage, params) as run:
        with picture_bar(stage, len(data)) as bar:
            features = encode(network, data, device, bar.update).features
        to_own, to_others = nearest_relatives(features, species)
        with whole(output) as temporary:
            save_index(temporary, network, Index(features, to_own, to_others))
        run.facts({"encoder": encoder, "encoder_sha256": network.sha256, **machine(device)})
        count = len(set(species.tolist()))
        click.echo(f"{output}: {len(data)} pictures of {count} species", err=True)


if __name__ == "__main__":
    index()
