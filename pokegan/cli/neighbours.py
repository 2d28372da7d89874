"""Find the training images nearest to generated ones."""

from pathlib import Path

import click

from pokegan.cli import common
from pokegan.core.errors import PipelineError

NEIGHBOURS = 5


@click.command()
@common.model_argument
@common.output_argument
@click.option(
    "--data", type=common.PATH,
    help="Training set (.npy).  [default: the one in dvc.yaml]",
)  # fmt: skip
@click.option("--count", type=common.COUNT, default=8, help="Number of generated images.")
@common.seed_option
@common.step_option
@common.scale_option
def neighbours(
    model: str, output: Path, data: Path | None, count: int, seed: int, step: int | None, scale: int
) -> None:
    """Find the training images nearest to generated ones.

    MODEL is a folder or a model in MLflow. OUTPUT (.png) has one row per generated image: first the
    image, then its neighbours, with their row in the training set and their distance (LPIPS).

    \b
    pokegan neighbours models/dcgan819 neighbours.png
    pokegan neighbours models:/pokegan-aegan@best_effnet_lite0 near.png --data data/pokemon14000.npy
    """  # noqa: D301
    common.check_output(output, common.SHEET)
    folder = common.model_folder(model)

    import numpy as np

    from pokegan.compute.device import choose_device, set_deterministic
    from pokegan.core.arrays import check_resolution, load_images
    from pokegan.core.params import read_networks
    from pokegan.core.progress import progress_bar
    from pokegan.encoders.alexnet import Encoder
    from pokegan.metrics.lpips import lpips_distances
    from pokegan.networks.sampling import generate_images, seeded_latents

    if data is None:
        if (network := read_networks().get(folder.name)) is None:
            raise PipelineError(f"{model} is not named in dvc.yaml; pass its training set, --data.")
        data = Path("data", f"{network.pictures}.npy")
    images = load_images(data)
    set_deterministic(seed)
    device = choose_device()
    generator, config = common.load_generator_at(folder, device, step)
    check_resolution(data, images.shape[1], config["resolution"])
    fakes = generate_images(generator, seeded_latents(count, config["latent_dim"], seed)).numpy()
    with progress_bar("neighbours", len(images)) as bar:
        distances = lpips_distances(
            Encoder(device).lpips_vectors, fakes, images, device, bar.update
        )
    rows = distances.argsort(axis=1, kind="stable")[:, :NEIGHBOURS]
    captions = []
    for number, row in enumerate(rows):
        near = distances[number, row]
        captions += ["generated", *map("{}: {:.2f}".format, row, near)]
    shown = np.concatenate([fakes[:, None], images[rows]], axis=1)
    common.save_sheet(output, np.concatenate(shown), shown.shape[1], scale, captions)
    click.echo(f"{output}: {count} images beside their neighbours of {len(images)}", err=True)
