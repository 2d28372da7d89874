"""List and read the images below a folder."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from pokegan.core.errors import PipelineError

JPEG = {".jpg", ".jpeg", ".jfif"}
SUFFIXES = JPEG | {".png", ".webp", ".avif", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm"}
# From 16 to 8 bits: 65535 / 257 = 255.
SIXTEEN_BIT_SCALE = 257


def list_images(folder: Path) -> tuple[list[Path], int]:
    """Return the sorted paths of all images below a folder, and the number of other files.

    Hidden files and folders are ignored.
    """
    if not folder.is_dir():
        raise PipelineError(f"{folder} is not a folder; name a folder that contains images.")
    files: list[Path] = []
    try:
        for place, folders, names in os.walk(folder, onerror=_raise):
            folders[:] = [name for name in folders if not name.startswith(".")]
            files += [Path(place, name) for name in names if not name.startswith(".")]
    except OSError as error:
        raise PipelineError(
            f"{error.filename} cannot be read ({error.strerror}); make it readable or move it."
        ) from error
    images = sorted(file for file in files if file.suffix.lower() in SUFFIXES)
    if not images:
        raise PipelineError(
            f"{folder} contains no image ({', '.join(sorted(SUFFIXES))}); name another folder."
        )
    return images, len(files) - len(images)


def _raise(error: OSError) -> None:
    raise error


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
                pixels = _pixels(path, ImageOps.exif_transpose(image))
        except PipelineError:
            raise
        except Exception as error:  # decoders raise many types for damaged files
            raise PipelineError(
                f"{path} cannot be read as an image ({error}); repair or move the file."
            ) from error
        yield pixels


def _pixels(path: Path, image: Image.Image) -> np.ndarray:
    transparent = image.info.get("transparency")
    if image.mode.startswith("I;16"):
        values = np.asarray(image)
        gray = np.rint(values / SIXTEEN_BIT_SCALE).astype(np.uint8)
        if transparent is not None:
            gray[values == transparent] = 255
        return np.repeat(gray[:, :, None], 3, axis=2)
    if image.mode in ("I", "F"):
        raise PipelineError(
            f"{path} has 32-bit values without a defined white; save it as an 8-bit PNG."
        )
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or transparent is not None:
        colors = image.convert("RGBA")
        white = Image.new("RGBA", colors.size, "white")
        return np.asarray(Image.alpha_composite(white, colors).convert("RGB"))
    return np.asarray(image.convert("RGB"))
