"""Interpolate between latents of a trained network."""

from pathlib import Path

import click

from pokegan.cli import common


@click.command()
@common.model_argument
@common.output_argument
@common.seed_option
@click.option("--between", type=click.IntRange(min=2), default=6, help="Number of latents.")
@click.option("--steps", type=click.IntRange(min=2), default=20, help="Images per pair of latents.")
@common.truncation_option
@common.step_option
@common.scale_option
@click.option(
    "--rate", type=click.IntRange(1, 50), default=20, help="Frames per second of an animation."
)
def interpolate(
    model: str,
    output: Path,
    seed: int,
    between: int,
    steps: int,
    truncation: float | None,
    step: int | None,
    scale: int,
    rate: int,
) -> None:
    """Interpolate between latents of a trained network.

    MODEL is a folder or a model in MLflow. OUTPUT is a sheet with one row per pair of random
    latents (.png) or an endless animation (.webp, .gif). The path follows great circles and returns
    from the last latent to the first. The latents are those of `pokegan sample` with the same seed.

    \b
    pokegan interpolate models/dcgan819 path.png
    pokegan interpolate models/dcgan819 path.webp --between 8 --scale 4
    """  # noqa: D301
    common.check_output(output, common.SHEET, *common.ANIMATIONS)
    folder = common.model_folder(model)

    from pokegan.analysis.latent_space import closed_path
    from pokegan.compute.device import choose_device, set_deterministic
    from pokegan.networks.sampling import generate_images, seeded_latents
    from pokegan.report.animation import save_animation

    set_deterministic(seed)
    generator, config = common.load_generator_at(folder, choose_device(), step)
    z = seeded_latents(between, config["latent_dim"], seed, truncation)
    animated = output.suffix.lower() in common.ANIMATIONS
    path = closed_path(z, steps, with_ends=not animated)
    images = generate_images(generator, path.flatten(0, 1)).numpy()
    if animated:
        save_animation(output, common.enlarge(images, scale), rate)
    else:
        common.save_sheet(output, images, path.shape[1], scale)
    click.echo(f"{output}: {len(images)} images along {between} latents", err=True)
