"""Inspect a trained network: copies, latent space, reconstructions, features."""

from pathlib import Path

import click

from pokegan.core.files import save_arrays, save_json
from pokegan.core.params import NetworkName, flatten, read_params

ROWS_OF_IMAGES = ("latent_paths", "latent_neighbourhoods", "recon_between")
PATH = click.Path(path_type=Path)


@click.command()
@click.argument("network", type=NetworkName())
@click.argument("pictures", type=PATH)
@click.argument("manifest", type=PATH)
@click.argument("reference", type=PATH)
@click.argument("types", type=PATH)
@click.argument("model", type=PATH)
@click.argument("outputs", metavar="OUTPUT.npz OUTPUT.json", nargs=2, type=PATH)
def inspect(
    network: str,
    pictures: Path,
    manifest: Path,
    reference: Path,
    types: Path,
    model: Path,
    outputs: tuple[Path, Path],
) -> None:
    """Inspect NETWORK, trained on PICTURES (.npy), in the folder MODEL.

    Finds the training pictures nearest to generated ones; compares both by patches, power spectra
    and LPIPS; generates images on paths through the
    latent space; reconstructs the pictures REFERENCE if the network has an encoder; classifies
    their TYPES by features of the discriminator. MANIFEST (.csv) names the species of PICTURES, or
    of the first third of them if the rest are augmented copies. If label.npm is null, each source
    file is a species.
    """
    params = read_params("seed", "precision", "label")

    from pokegan.analysis.copies import read_species
    from pokegan.analysis.inspection import inspect_network
    from pokegan.analysis.probing import make_task, read_labels
    from pokegan.compute.device import choose_device, choose_precision, set_deterministic
    from pokegan.core.arrays import check_resolution, load_images
    from pokegan.core.grids import grid
    from pokegan.core.progress import progress_bar
    from pokegan.core.provenance import machine
    from pokegan.encoders.alexnet import Encoder
    from pokegan.networks.weights import read_config
    from pokegan.tracking.run import track_run

    stage = f"inspect@{network}"
    training, real = load_images(pictures), load_images(reference)
    for path, images in ((pictures, training), (reference, real)):
        check_resolution(path, images.shape[1], read_config(model)["resolution"])
    task = make_task(read_labels(types, len(real)))
    numbered = params.label.npm is not None
    species, originals = read_species(manifest, len(training), numbered)
    set_deterministic(params.seed)
    device = choose_device()
    with track_run(stage, params) as run:
        alexnet = Encoder(device, choose_precision(params.precision, device))
        with progress_bar(stage, len(training)) as bar:
            data = training, species, originals, real, task
            arrays, sections = inspect_network(
                model, device, params.seed, alexnet.lpips_vectors, *data, progress=bar.update
            )
        figures = {"network": network, "lpips_sha256": alexnet.sha256, **sections}
        save_arrays(outputs[0], compress=True, **arrays)
        save_json(outputs[1], figures)
        for name in ROWS_OF_IMAGES:
            if name in arrays:
                columns, *shape = arrays[name].shape[-4:]
                run.log_image(name, grid(arrays[name].reshape(-1, *shape), columns))
        values = dict(flatten(figures))
        metrics = {key: value for key, value in values.items() if isinstance(value, float)}
        run.log_metrics(metrics)
        run.set_tags({key: values[key] for key in values.keys() - metrics} | machine(device))
        click.echo(f"{outputs[1]}: {', '.join(sections)}", err=True)


if __name__ == "__main__":
    inspect()
