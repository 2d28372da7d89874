"""Draw samples of a trained network."""

from __future__ import annotations

from pathlib import Path

import click

from pokegan.cli.common import (
    FOLDER,
    SHEET,
    check_output,
    model_argument,
    model_folder,
    output_argument,
    seed_option,
    step_option,
    truncation_option,
)
from pokegan.core.files import atomic_write

BATCH = 64


@click.command()
@model_argument
@output_argument
@click.option("--count", type=click.IntRange(min=1), default=64, show_default=True)
@seed_option
@truncation_option
@click.option(
    "--columns", type=click.IntRange(min=1), default=8, show_default=True,
    help="Pictures in a row of the sheet.",
)  # fmt: skip
@step_option
def sample(
    model: str,
    output: Path,
    count: int,
    seed: int,
    truncation: float | None,
    columns: int,
    step: int | None,
) -> None:
    """Draw pictures with the trained network MODEL into OUTPUT.

    MODEL is a folder or a model in MLflow. OUTPUT is a sheet (.png), or a new folder that gets each
    picture as a PNG of its own, as pokegan.cli.score reads them. The same seed gives the same pictures.

    \b
    python -m pokegan.cli.sample models/dcgan819 samples.png
    python -m pokegan.cli.sample models/dcgan819 samples --count 400 --truncation 1
    python -m pokegan.cli.sample models:/pokegan-dcgan819@best_effnet_lite0 samples.png
    """  # noqa: D301
    check_output(output, SHEET, FOLDER)
    folder = model_folder(model)

    from pokegan.cli.common import load_drawing_generator, save_sheet
    from pokegan.compute.device import choose_device, set_deterministic
    from pokegan.core.grids import grid, to_image
    from pokegan.core.progress import progress_bar
    from pokegan.networks.sampling import generate_images, seeded_latents

    set_deterministic(seed)
    generator, configuration = load_drawing_generator(folder, choose_device(), step)
    z = seeded_latents(count, configuration["latent_dim"], seed, truncation)
    if output.suffix.lower() == SHEET and not output.is_dir():
        pictures = generate_images(generator, z, BATCH).numpy()
        save_sheet(output, grid(pictures, min(columns, count)))
    else:
        digits = max(4, len(str(count - 1)))
        with atomic_write(output) as temporary, progress_bar("sample", count) as bar:
            temporary.mkdir()
            for begin in range(0, count, BATCH):
                pictures = generate_images(generator, z[begin : begin + BATCH], BATCH).numpy()
                for number, picture in enumerate(pictures, begin):
                    to_image(picture).save(temporary / f"{number:0{digits}}.png")
                bar.update(len(pictures))
    click.echo(f"{output}: {count} pictures", err=True)


if __name__ == "__main__":
    sample()
