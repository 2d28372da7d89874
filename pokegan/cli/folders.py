"""Folders of anybody's pictures, as a scoring command meets them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from pokegan.core.errors import PipelineError

SUFFIXES = {".png", ".jpg", ".jpeg", ".jfif", ".webp", ".avif", ".bmp", ".gif", ".tif", ".tiff"}
SUFFIXES |= {".ppm", ".pgm"}
LOSSY = {".jpg", ".jpeg", ".jfif"}
# 16 bits to 8: 65535 becomes 255.
SIXTEEN_BITS = 257


def list_pictures(folder: Path) -> tuple[list[Path], int]:
    """The pictures below FOLDER in the order of their paths, and how many other files there are.

    Hidden files and folders are passed over.

    Raises:
        PipelineError: FOLDER is none, cannot be read, or holds no picture.
    """
    if not folder.is_dir():
        raise PipelineError(f"{folder} is no folder; name one that holds pictures.")
    files: list[Path] = []
    try:
        for place, folders, names in os.walk(folder, onerror=_raise):
            folders[:] = [name for name in folders if not name.startswith(".")]
            files += [Path(place, name) for name in names if not name.startswith(".")]
    except OSError as fault:
        raise PipelineError(
            f"{fault.filename} cannot be read ({fault.strerror}); make it readable or move it."
        ) from fault
    found = sorted(file for file in files if file.suffix.lower() in SUFFIXES)
    if not found:
        raise PipelineError(
            f"{folder} holds no picture ({', '.join(sorted(SUFFIXES))}); name another folder."
        )
    return found, len(files) - len(found)


def _raise(fault: OSError) -> None:
    raise fault


def read_pictures(paths: list[Path]) -> Iterator[np.ndarray]:
    """Each of PATHS as (H, W, 3) uint8, as a viewer shows it.

    Transparency is laid on white, grey and palettes become RGB, 16 bits of grey are scaled to 8,
    photographs are turned as their camera was.

    Raises:
        PipelineError: a file is broken, an animation, or of a kind that has no 8-bit equal.
    """
    for path in paths:
        try:
            with Image.open(path) as image:
                frames = getattr(image, "n_frames", 1)
                # A multi-picture photograph holds its previews, too.
                if frames > 1 and image.format != "MPO":
                    raise PipelineError(
                        f"{path} is an animation of {frames} frames; save the ones that are meant "
                        "as pictures of their own, or move it elsewhere."
                    )
                pixels = _pixels(path, ImageOps.exif_transpose(image))
        except PipelineError:
            raise
        except Exception as fault:  # decoders fail on damaged files in many ways of their own
            raise PipelineError(
                f"{path} cannot be read as a picture ({fault}); mend it or move it elsewhere."
            ) from fault
        yield pixels


def _pixels(path: Path, image: Image.Image) -> np.ndarray:
    transparent = image.info.get("transparency")
    if image.mode.startswith("I;16"):
        values = np.asarray(image)
        grey = np.rint(values / SIXTEEN_BITS).astype(np.uint8)
        if transparent is not None:
            grey[values == transparent] = 255
        return np.repeat(grey[:, :, None], 3, axis=2)
    if image.mode in ("I", "F"):
        raise PipelineError(
            f"{path} holds 32-bit values, whose white is unknown; save it as an 8-bit PNG."
        )
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or transparent is not None:
        picture = image.convert("RGBA")
        white = Image.new("RGBA", picture.size, "white")
        return np.asarray(Image.alpha_composite(white, picture).convert("RGB"))
    return np.asarray(image.convert("RGB"))
