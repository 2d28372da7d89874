"""List and read the images below a folder."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from pokegan.core.errors import PipelineError
from pokegan.data.rendering import UnreadablePictureError, decode, on_white
from pokegan.data.sources.folder import list_files

SUFFIXES = {
    ".avif", ".bmp", ".gif", ".jfif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff",
    ".webp",
}  # fmt: skip


def list_images(folder: Path) -> tuple[list[Path], int]:
    """Return the sorted paths of all images below a folder, and the number of other files.

    Hidden files and folders are ignored.
    """
    if not folder.is_dir():
        raise PipelineError(f"{folder} is not a folder; name a folder that contains images.")
    files = list_files(folder)
    images = [file for file in files if file.suffix.lower() in SUFFIXES]
    if not images:
        raise PipelineError(
            f"{folder} contains no image ({', '.join(sorted(SUFFIXES))}); name another folder."
        )
    return images, len(files) - len(images)


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
        reason = getattr(error, "strerror", None) or str(error).partition(" <")[0]
        raise PipelineError(f"{file} cannot be read as an image ({reason}).") from error
