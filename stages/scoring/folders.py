"""Folders of anybody's pictures, as a scoring command meets them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from stages.errors import PipelineError

SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm"}
LOSSY = {".jpg", ".jpeg"}
# 16 bits to 8: 65535 becomes 255.
SIXTEEN_BITS = 257


def list_pictures(folder: Path) -> list[Path]:
    """The pictures below FOLDER in the order of their paths, hidden files left out.

    Raises:
        PipelineError: FOLDER is none, cannot be read, or holds no picture.
    """
    if not folder.is_dir():
        raise PipelineError(f"{folder} is no folder; name one that holds pictures.")
    try:
        next(folder.iterdir(), None)  # rglob passes over a folder that may not be read
        found = sorted(
            path
            for path in folder.rglob("*")
            if path.suffix.lower() in SUFFIXES
            and not any(part.startswith(".") for part in path.relative_to(folder).parts)
            and path.is_file()
        )
    except OSError as fault:
        raise PipelineError(f"{folder} cannot be read ({fault.strerror}).") from fault
    if not found:
        raise PipelineError(
            f"{folder} holds no picture ({', '.join(sorted(SUFFIXES))}); name another folder."
        )
    return found


def read_pictures(paths: list[Path]) -> Iterator[np.ndarray]:
    """Each of PATHS as (H, W, 3) uint8.

    Transparency is laid on white, grey and palettes become RGB, 16 bits of grey are scaled to 8.

    Raises:
        PipelineError: a file is broken, an animation, or of a kind that has no 8-bit equal.
    """
    for path in paths:
        try:
            with Image.open(path) as image:
                frames = getattr(image, "n_frames", 1)
                if frames > 1:
                    raise PipelineError(
                        f"{path} is an animation of {frames} frames; save the ones that are meant "
                        "as pictures of their own, or move it elsewhere."
                    )
                yield _pixels(path, image)
        except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as fault:
            raise PipelineError(
                f"{path} cannot be read as a picture ({fault}); mend it or move it elsewhere."
            ) from fault
        except Image.DecompressionBombError as fault:
            raise PipelineError(f"{path} is too large ({fault}); move it elsewhere.") from fault


def _pixels(path: Path, image: Image.Image) -> np.ndarray:
    if image.mode.startswith("I"):
        values = np.asarray(image).astype(np.int64)
        if values.min() < 0 or values.max() > 255 * SIXTEEN_BITS:
            raise PipelineError(f"{path} has values beyond 16 bits; save it as an 8-bit PNG.")
        grey = np.rint(values / SIXTEEN_BITS).astype(np.uint8)
        return np.repeat(grey[:, :, None], 3, axis=2)
    if image.mode == "F":
        raise PipelineError(
            f"{path} holds floating-point values, whose white is unknown; save it as an 8-bit PNG."
        )
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        picture = image.convert("RGBA")
        white = Image.new("RGBA", picture.size, "white")
        return np.asarray(Image.alpha_composite(white, picture).convert("RGB"))
    return np.asarray(image.convert("RGB"))
