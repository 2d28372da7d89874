"""Draw pictures again by way of their latents."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pokegan.cli.common import (
    SHEET,
    check_output,
    model_argument,
    model_folder,
    output_argument,
    scale_option,
)
from pokegan.core.errors import PipelineError
from pokegan.core.params import read_params

if TYPE_CHECKING:
    import numpy as np

COLUMNS = 8


@click.command()
@model_argument
@output_argument
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--interpolate", is_flag=True,
    help="Draw the way between the latents of two FILES, each at its end of the row.",
)  # fmt: skip
@click.option(
    "--steps", type=click.IntRange(min=2), default=10, show_default=True,
    help="Pictures on that way.",
)  # fmt: skip
@scale_option
def reconstruct(
    model: str,
    output: Path,
    files: tuple[Path, ...],
    interpolate: bool,
    steps: int,
    scale: int,
) -> None:
    """Encode the pictures FILES by the AEGAN in MODEL, and draw them again from their latents.

    MODEL is a folder or a model in MLflow. FILES are of any kind and size; they are prepared like
    the data sets: on white, cropped, square. OUTPUT (.png) shows each one above what became of it.
    Standard output gets a JSON with the errors of each: picture_error, the mean absolute difference
    of a value, where white is 1 and black 0; latent_error, the distance between the latents of
    both, and latent_norm, the length of the first.

    \b
    python -m pokegan.cli.reconstruct models/aegan again.png drawing.png photograph.jpg
    python -m pokegan.cli.reconstruct models/aegan between.png bear.svg bird.gif --interpolate
    """  # noqa: D301
    check_output(output, SHEET)
    if output.exists():  # one of the FILES, for a person who forgot OUTPUT
        raise PipelineError(
            f"{output} is there already; name a new OUTPUT, which stands before the FILES."
        )
    if interpolate and len(files) != 2:
        raise PipelineError(f"--interpolate takes two FILES, not {len(files)}; name two.")
    folder = model_folder(model)
    margin = read_params("prepare.margin").prepare.margin

    import numpy as np

    from pokegan.analysis.latent_space import reconstructions, spherical_path
    from pokegan.cli.common import enlarged, load_drawing_generator, save_sheet, short
    from pokegan.compute.device import choose_device, set_deterministic
    from pokegan.core.grids import grid
    from pokegan.networks.sampling import generate_images
    from pokegan.networks.weights import load_network
    from pokegan.report.animation import captioned

    set_deterministic(0)
    device = choose_device()
    generator, configuration = load_drawing_generator(folder, device)
    if "encoder" not in configuration["networks"]:
        raise PipelineError(
            f"{model} has no encoder, which finds the latent of a picture; name an AEGAN."
        )
    encoder = load_network(folder, "encoder").to(device)
    originals = np.stack([prepared(file, configuration["resolution"], margin) for file in files])

    z, _, again, picture_errors, latent_errors = reconstructions(generator, encoder, originals)
    if interpolate:
        path = spherical_path(z[0], z[1], np.linspace(0, 1, steps))
        between = generate_images(generator, path).numpy()
        row = enlarged(np.concatenate([originals[:1], between, originals[1:]]), scale)
        save_sheet(output, grid(row, len(row)))
    else:
        above = captioned(enlarged(originals, scale), [file.name for file in files])
        below = captioned(enlarged(again, scale), [f"error {each:.3f}" for each in picture_errors])
        pairs = np.concatenate([above, below], axis=1)
        save_sheet(output, grid(pairs, min(COLUMNS, len(pairs))))
    told = [
        {
            "file": str(file),
            "picture_error": short(picture_error),
            "latent_error": short(latent_error),
            "latent_norm": short(norm),
        }
        for file, picture_error, latent_error, norm in zip(
            files, picture_errors, latent_errors, z.norm(dim=1), strict=True
        )
    ]
    click.echo(f"{output}: {len(files)} pictures", err=True)
    click.echo(json.dumps({"model": model, "pictures": told}, indent=2))


def prepared(file: Path, resolution: int, margin: float) -> np.ndarray:
    """The picture in FILE, the first of an animation, as the data sets' are: (R, R, 3) uint8.

    Raises:
        PipelineError: FILE is missing, is no picture, or shows next to nothing.
    """
    from pokegan.data.rendering import decode, to_square

    try:
        first = next(decode(file.name, file.read_bytes(), resolution))
        pixels = to_square(first, resolution, margin)
    except Exception as fault:  # decoders fail on damaged files in many ways of their own
        why = getattr(fault, "strerror", None) or str(fault).partition(" <")[0]
        raise PipelineError(
            f"{file} cannot be read as a picture ({why}); mend it or name another."
        ) from fault
    if pixels is None:
        raise PipelineError(f"{file} shows next to nothing on white; name another picture.")
    return pixels


if __name__ == "__main__":
    reconstruct()
