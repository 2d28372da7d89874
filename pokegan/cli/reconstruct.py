"""Encode images and reconstruct them with an AEGAN."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pokegan.cli import common
from pokegan.core.errors import PipelineError
from pokegan.core.files import round_sig

if TYPE_CHECKING:
    import numpy as np

    from pokegan.analysis.reconstruction import Reconstruction

COLUMNS = 8


@click.command()
@common.model_argument
@common.output_argument
@click.argument("files", nargs=-1, required=True, type=common.PATH)
@common.scale_option
def reconstruct(model: str, output: Path, files: tuple[Path, ...], scale: int) -> None:
    """Encode images and reconstruct them with an AEGAN.

    MODEL is a folder or a model in MLflow. FILES may have any format and size; they are prepared
    like the training set: on white, cropped, square. OUTPUT (.png) shows each image above its
    reconstruction.

    Standard output is a JSON with the errors per image: picture_error, the mean absolute difference
    of the values, scaled to [0, 1]; latent_error, the distance between the latents of the image and
    of its reconstruction; latent_norm, the length of the former.

    \b
    pokegan reconstruct models/aegan reconstructions.png drawing.png photograph.jpg
    """  # noqa: D301
    common.check_output(output, common.SHEET)
    if output.exists():  # OUTPUT was forgotten: this is the first of FILES
        raise PipelineError(f"{output} exists already; pass a new OUTPUT before FILES.")
    folder = common.model_folder(model)

    import numpy as np

    from pokegan.analysis.reconstruction import reconstruct as reconstruct_images
    from pokegan.compute.device import choose_device, set_deterministic
    from pokegan.core.params import read_params
    from pokegan.networks.weights import load_network

    margin = read_params("prepare.margin").prepare.margin
    set_deterministic(0)
    device = choose_device()
    generator, config = common.load_generator_at(folder, device)
    if "encoder" not in config["networks"]:
        raise PipelineError(f"{model} has no encoder; pass an AEGAN.")
    encoder = load_network(folder, "encoder").to(device)
    originals = np.stack([prepare_image(file, config["resolution"], margin) for file in files])

    result = reconstruct_images(generator, encoder, originals)
    save_pairs(output, [file.name for file in files], result, scale)
    click.echo(f"{output}: {len(files)} images", err=True)
    click.echo(json.dumps({"model": model, "pictures": list_errors(files, result)}, indent=2))


def list_errors(files: tuple[Path, ...], result: Reconstruction) -> list[dict[str, Any]]:
    """Return the errors of each image for the JSON on standard output."""
    columns = {
        "picture_error": result.image_errors,
        "latent_error": result.latent_errors,
        "latent_norm": result.z.norm(dim=1),
    }
    return [
        {"file": str(file), **{key: round_sig(float(each[row])) for key, each in columns.items()}}
        for row, file in enumerate(files)
    ]


def save_pairs(output: Path, names: list[str], result: Reconstruction, scale: int) -> None:
    """Write a sheet of images with their names, each above its reconstruction with its error."""
    import numpy as np

    from pokegan.report.animation import captioned

    errors = [f"error {error:.3f}" for error in result.image_errors]
    above = captioned(common.enlarge(result.x, scale), names)
    below = captioned(common.enlarge(result.x_recon, scale), errors)
    common.save_sheet(output, np.concatenate([above, below], axis=1), COLUMNS)


def prepare_image(
    file: Path, resolution: int, margin: float, content: bytes | None = None
) -> np.ndarray:
    """Prepare an image, see `read_image`, like the training set: uint8 (R, R, 3)."""
    from pokegan.cli.folders import read_image
    from pokegan.data.rendering import to_square

    pixels = to_square(read_image(file, content, resolution), resolution, margin)
    if pixels is None:
        raise PipelineError(f"{file} is blank: it has almost nothing but white.")
    return pixels
