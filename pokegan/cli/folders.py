"""List and read the images below a folder."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from pokegan.core.errors import PipelineError
from pokegan.data.rendering import on_white, to_rgba
from pokegan.data.sources.folder import list_files

JPEG = {".jpg", ".jpeg", ".jfif"}
SUFFIXES = JPEG | {".png", ".webp", ".avif", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm"}


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
    """Yield each image as uint8 (H, W, 3).

    Transparency is composited on white, gray and palette images are converted to RGB, 16-bit gray
    is scaled to 8 bits, and the EXIF orientation is applied.
    """
    for path in paths:
        try:
            with Image.open(path) as image:
                frames = getattr(image, "n_frames", 1)
                # The further frames of a multi-picture JPEG are previews.
                if frames > 1 and image.format != "MPO":
                    raise PipelineError(
                        f"{path} is an animation of {frames} frames; save the frames as images, or "
                        "move the file."
                    )
                pixels = np.asarray(on_white(to_rgba(ImageOps.exif_transpose(image))))
        except PipelineError:
            raise
        except Exception as error:  # decoders raise many types for damaged files
            raise PipelineError(
                f"{path} cannot be read as an image ({error}); repair or move the file."
            ) from error
        yield pixels
