"""List and read the images below a folder."""

from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np
from PIL import Image

from pokegan.core.errors import PipelineError
from pokegan.data.rendering import SUFFIXES, UnreadablePictureError, decode, on_white
from pokegan.data.sources.folder import list_files

# The size of an SVG would be arbitrary.
RASTER_SUFFIXES = {*SUFFIXES} - {".svg"}


def list_images(folder: Path) -> list[Path]:
    """Return the sorted paths of all images below a folder, and warn about other files.

    Hidden files and folders are ignored. Without an image suffix, the content decides.
    """
    if not folder.is_dir():
        raise PipelineError(f"{folder} is not a folder; name a folder that contains images.")
    files = list_files(folder)
    images = [file for file in files if file.suffix.lower() in RASTER_SUFFIXES or describe(file)]
    others = [str(file.relative_to(folder)) for file in sorted({*files} - {*images})]
    if not images:
        raise PipelineError(
            f"{folder} contains no image that Pillow can read; name another folder."
        )
    if others:
        names = ", ".join(others[:5]) + (", …" if len(others) > 5 else "")
        count = len(others)
        click.echo(f"Warning: {count} files below {folder} are no images: {names}", err=True)
    return images


def describe(file: Path) -> tuple[str, tuple[int, int]] | None:
    """Return format and size of an image from its header; None if the file is no image."""
    try:
        with Image.open(file) as image:
            return str(image.format), image.size
    except (OSError, ValueError):
        return None


def describe_difference(reals: list[Path], fakes: list[Path]) -> str:
    """Name the sizes and formats of two sets of images if they differ; empty if they are equal."""
    sets = [{each for each in map(describe, files) if each} for files in (reals, fakes)]
    if sets[0] == sets[1] or not all(sets):
        return ""
    texts = []
    for headers in sets:
        formats = "/".join(sorted({name for name, _ in headers}))
        sizes = sorted({size for _, size in headers})
        low, high = (f"{width}×{height}" for width, height in (sizes[0], sizes[-1]))
        texts.append(f"{formats} of {low if low == high else f'{low} to {high}'} pixels")
    return f"REAL holds {texts[0]}, FAKE {texts[1]}"


def read_images(paths: list[Path]) -> Iterator[np.ndarray]:
    """Yield each image, or the first frame of an animation, as uint8 (H, W, 3) on white."""
    for path in paths:
        yield np.asarray(on_white(read_image(path)))


def read_image(file: Path, content: bytes | None = None, resolution: int = 0) -> Image.Image:
    """Decode an image, or the first frame of an animation, as RGBA.

    The suffix of the file selects the decoder; its content is read unless it is passed. The
    resolution decides the size of an SVG.
    """
    try:
        content = file.read_bytes() if content is None else content
        return next(decode(file.name, content, resolution))
    except (OSError, UnreadablePictureError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise PipelineError(f"{file} cannot be read as an image ({reason}).") from error
