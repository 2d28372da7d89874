"""Encode all training images, to search for the nearest ones of generated images."""

from pathlib import Path

import click

from pokegan.core.params import read_params
from pokegan.core.schema import ENCODERS


@click.command()
@click.argument("encoder_name", metavar="ENCODER", type=click.Choice(ENCODERS))
@click.argument("pictures", type=click.Path(path_type=Path))
@click.argument("manifest", type=click.Path(path_type=Path))
@click.argument("output", type=click.Path(path_type=Path))
def index(encoder_name: str, pictures: Path, manifest: Path, output: Path) -> None:
    """Write features of all PICTURES (.npy) and their nearest distances to OUTPUT (.npz).

    The distances are those to the nearest image of another species, and to the nearest other image
    of the same species, such as a mirror image. MANIFEST (.csv) names the species of the images, or
    of the first third of them if the rest are augmented copies. If label.npm is null, each source
    file is a species.
    """
    params = read_params("label")

    from pokegan.analysis.copies import Index, nearest_relatives, read_species, save_index
    from pokegan.compute.device import choose_device, set_deterministic
    from pokegan.core.arrays import load_images
    from pokegan.core.progress import progress_bar
    from pokegan.core.provenance import machine
    from pokegan.metrics.encoding import encode, load_encoder
    from pokegan.tracking.run import track_run

    stage = f"index@{pictures.stem}"
    images = load_images(pictures)
    species = read_species(manifest, len(images), numbered=params.label.npm is not None)
    set_deterministic(0)
    device = choose_device()
    encoder = load_encoder(encoder_name, device)
    with track_run(stage, params) as run:
        with progress_bar(stage, len(images)) as bar:
            features = encode(encoder, images, device, bar.update).features
        to_own, to_others = nearest_relatives(features, species)
        save_index(output, encoder, Index(features, to_own, to_others))
        run.set_tags({"encoder": encoder_name, "encoder_sha256": encoder.sha256, **machine(device)})
        count = len(set(species.tolist()))
        click.echo(f"{output}: {len(images)} images of {count} species", err=True)


if __name__ == "__main__":
    index()
