"""Inspect a trained network: copies, latent space, reconstructions, features."""

from __future__ import annotations

from pathlib import Path

import click

from pokegan.core.files import save_arrays, save_json
from pokegan.core.params import NetworkName, flatten, read_params
from pokegan.core.schema import ENCODERS

SHOWN = ("latent_paths", "latent_neighbourhoods", "recon_between")


@click.command()
@click.argument("network", type=NetworkName())
@click.argument("encoder", type=click.Choice(ENCODERS))
@click.argument("pictures", type=click.Path(path_type=Path))
@click.argument("index", type=click.Path(path_type=Path))
@click.argument("reference", type=click.Path(path_type=Path))
@click.argument("types", type=click.Path(path_type=Path))
@click.argument("model", type=click.Path(path_type=Path))
@click.argument(
    "outputs", metavar="OUTPUT.npz OUTPUT.json", nargs=2, type=click.Path(path_type=Path)
)
def inspect(
    network: str,
    encoder: str,
    pictures: Path,
    index: Path,
    reference: Path,
    types: Path,
    model: Path,
    outputs: tuple[Path, Path],
) -> None:
    """Inspect NETWORK, trained on PICTURES, in the folder MODEL.

    Finds the training pictures that are nearest to generated ones, by the features of ENCODER in
    INDEX; generates images on paths through the latent space; reconstructs the pictures REFERENCE
    if the network has an encoder; classifies their TYPES by features of the discriminator.
    """
    params = read_params("seed", "evaluate.pictures")

    from pokegan.analysis.copies import load_index
    from pokegan.analysis.inspection import inspect_network
    from pokegan.analysis.probing import make_task, read_labels
    from pokegan.compute.device import choose_device, set_deterministic
    from pokegan.core.arrays import check_resolution, load_images
    from pokegan.core.grids import grid
    from pokegan.core.progress import progress_bar
    from pokegan.core.provenance import machine
    from pokegan.metrics.encoding import load_encoder
    from pokegan.networks.weights import read_config
    from pokegan.tracking.run import track_run

    stage, count = f"inspect@{network}", params.evaluate.pictures
    set_deterministic(params.seed)
    device = choose_device()
    training_images, images = load_images(pictures), load_images(reference)
    for path, array in ((pictures, training_images), (reference, images)):
        check_resolution(path, array.shape[1], read_config(model)["resolution"])
    task = make_task(read_labels(types, len(images)))
    scorer = load_encoder(encoder, device)
    known = load_index(index, scorer, len(training_images))
    facts = {"network": network, "encoder": encoder, "encoder_sha256": scorer.sha256}
    with track_run(stage, params) as run, progress_bar(stage, count) as bar:
        arrays, sections = inspect_network(
            model,
            device,
            params.seed,
            count,
            scorer,
            known,
            training_images,
            images,
            task,
            bar.update,
        )
        save_arrays(outputs[0], compress=True, **arrays)
        save_json(outputs[1], {**facts, "pictures": count, **sections})
        for name in SHOWN:
            if name in arrays:
                rows = arrays[name].reshape(-1, *arrays[name].shape[-3:])
                run.log_image(name, grid(rows, arrays[name].shape[-4]))
        figures = dict(flatten({**facts, "pictures": count, **sections}))
        metrics = {key: value for key, value in figures.items() if isinstance(value, float)}
        run.log_metrics(metrics)
        run.set_tags({key: figures[key] for key in figures.keys() - metrics} | machine(device))
    click.echo(f"{outputs[1]}: {', '.join(sections)}", err=True)


if __name__ == "__main__":
    inspect()
