"""Draw the ways between latents of a trained network."""

from __future__ import annotations

from pathlib import Path

import click

from pokegan.cli.common import (
    ANIMATIONS,
    SHEET,
    VIDEO,
    check_output,
    model_argument,
    model_folder,
    output_argument,
    seed_option,
    step_option,
    truncation_option,
)

# Steps from a latent to the next, and pixels a pixel: on a sheet, in an animation.
STEPS, SCALES = (10, 30), (2, 4)


@click.command()
@model_argument
@output_argument
@seed_option
@click.option(
    "--between", type=click.IntRange(min=2), default=6, show_default=True,
    help="How many latents the way leads through.",
)  # fmt: skip
@click.option(
    "--steps", type=click.IntRange(min=2),
    help="Pictures from each latent to the next.  [default: 10; 30 in an animation or a video]",
)  # fmt: skip
@truncation_option
@step_option
@click.option(
    "--scale", type=click.IntRange(1, 16),
    help="Show each pixel as a square of so many.  [default: 2; 4 in an animation or a video]",
)  # fmt: skip
@click.option(
    "--rate", type=click.IntRange(1, 50), default=20, show_default=True,
    help="Pictures a second of an animation or a video.",
)  # fmt: skip
def interpolate(
    model: str,
    output: Path,
    seed: int,
    between: int,
    steps: int | None,
    truncation: float | None,
    step: int | None,
    scale: int | None,
    rate: int,
) -> None:
    """Draw what lies between random latents of the trained network MODEL into OUTPUT.

    MODEL is a folder or a model in MLflow. OUTPUT is a sheet (.png) with a row from each latent to
    the next, an endless animation (.webp, .gif), or a video (.mp4, H.264) of one round. The way
    follows great circles, and leads from the last latent back to the first. The latents are those
    that pokegan.cli.sample draws with the same seed and count.

    \b
    python -m pokegan.cli.interpolate models/dcgan819 between.png
    python -m pokegan.cli.interpolate models/dcgan819 between.webp --between 8 --seed 3
    python -m pokegan.cli.interpolate models/dcgan819 between.mp4 --scale 8 --rate 30
    """  # noqa: D301
    check_output(output, SHEET, *ANIMATIONS)
    folder = model_folder(model)

    from pokegan.analysis.latent_space import closed_path
    from pokegan.cli.common import enlarged, load_drawing_generator, save_sheet
    from pokegan.compute.device import choose_device, set_deterministic
    from pokegan.core.grids import grid
    from pokegan.networks.sampling import generate_images, seeded_latents
    from pokegan.report.animation import save_animation, save_video

    set_deterministic(seed)
    generator, configuration = load_drawing_generator(folder, choose_device(), step)
    z = seeded_latents(between, configuration["latent_dim"], seed, truncation)
    suffix = output.suffix.lower()
    animated = suffix in ANIMATIONS
    path = closed_path(z, steps or STEPS[animated], with_ends=not animated)
    pictures = generate_images(generator, path.flatten(0, 1)).numpy()
    scale = scale or SCALES[animated]
    if suffix == VIDEO:
        save_video(output, pictures, rate, scale)
    elif animated:
        save_animation(output, enlarged(pictures, scale), rate)
    else:
        save_sheet(output, grid(enlarged(pictures, scale), path.shape[1]))
    click.echo(f"{output}: {len(pictures)} pictures through {between} latents", err=True)


if __name__ == "__main__":
    interpolate()
