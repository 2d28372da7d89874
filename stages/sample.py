"""Draw samples of a trained network."""

from __future__ import annotations

from pathlib import Path

import click

from stages.drawing import (
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
from stages.outputs import whole

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
    picture as a PNG of its own, as stages.score reads them. The same seed gives the same pictures.

    \b
    python -m stages.sample models/dcgan819 samples.png
    python -m stages.sample models/dcgan819 samples --count 400 --truncation 1
    python -m stages.sample models:/pokegan-dcgan819@best_effnet_lite0 samples.png
    """  # noqa: D301
    check_output(output, SHEET, FOLDER)
    folder = model_folder(model)

    from stages.drawing import draw_latents, load_drawing_generator, save_sheet
    from stages.gan.device import be_exact, choose_device
    from stages.gan.networks import draw_pictures
    from stages.pictures.grids import grid, to_image
    from stages.progress import picture_bar

    be_exact(seed)
    generator, configuration = load_drawing_generator(folder, choose_device(), step)
    z = draw_latents(count, configuration["latent_dim"], seed, truncation)
    if output.suffix.lower() == SHEET and not output.is_dir():
        pictures = draw_pictures(generator, z, BATCH).numpy()
        save_sheet(output, grid(pictures, min(columns, count)))
    else:
        digits = max(4, len(str(count - 1)))
        with whole(output) as temporary, picture_bar("sample", count) as bar:
            temporary.mkdir()
            for begin in range(0, count, BATCH):
                pictures = draw_pictures(generator, z[begin : begin + BATCH], BATCH).numpy()
                for number, picture in enumerate(pictures, begin):
                    to_image(picture).save(temporary / f"{number:0{digits}}.png")
                bar.update(len(pictures))
    click.echo(f"{output}: {count} pictures", err=True)


if __name__ == "__main__":
    sample()
