"""Generate images with a trained network."""

from pathlib import Path

import click

from pokegan.cli import common
from pokegan.core.files import atomic_write

BATCH = 64


@click.command()
@common.model_argument
@common.output_argument
@click.option("--count", type=common.COUNT, default=64, help="Number of images.")
@common.seed_option
@common.truncation_option
@click.option("--columns", type=common.COUNT, default=8, help="Images per row of the sheet.")
@common.step_option
def sample(
    model: str,
    output: Path,
    count: int,
    seed: int,
    truncation: float | None,
    columns: int,
    step: int | None,
) -> None:
    """Generate images with a trained network.

    MODEL is a folder or a model in MLflow. OUTPUT is a sheet of all images (.png), or a new folder
    with one PNG per image, as `pokegan score` reads it. The same seed gives the same images.

    \b
    pokegan sample models/aegan samples.png
    pokegan sample models/dcgan819 samples --count 400 --truncation 1
    pokegan sample models:/pokegan-dcgan819@best_effnet_lite0 samples.png
    """  # noqa: D301
    common.check_output(output, common.SHEET, common.FOLDER)
    folder = common.model_folder(model)

    from pokegan.compute.device import choose_device, set_deterministic
    from pokegan.core.grids import to_image
    from pokegan.core.progress import progress_bar
    from pokegan.networks.sampling import generate_images, seeded_latents

    set_deterministic(seed)
    generator, config = common.load_generator_at(folder, choose_device(), step)
    z = seeded_latents(count, config["latent_dim"], seed, truncation)
    if output.suffix.lower() == common.SHEET and not output.is_dir():
        common.save_sheet(output, generate_images(generator, z, BATCH).numpy(), columns)
    else:
        digits = max(4, len(str(count - 1)))
        with atomic_write(output) as temporary, progress_bar("sample", count) as bar:
            temporary.mkdir()
            for start in range(0, count, BATCH):
                images = generate_images(generator, z[start : start + BATCH], BATCH).numpy()
                for number, pixels in enumerate(images, start):
                    to_image(pixels).save(temporary / f"{number:0{digits}}.png")
                bar.update(len(images))
    click.echo(f"{output}: {count} images", err=True)
