"""From a source file to square pictures: decoded, laid on white, cropped, resized."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from math import ceil

import numpy as np
import resvg_py
from PIL import Image, ImageOps

# An SVG is drawn this many times larger than the final picture, and then reduced.
OVERSAMPLING = 4
# Alpha and distance from white below which a pixel is taken for background.
FAINT = 8
# A picture whose creature covers less than this share of it shows next to nothing.
BLANK = 0.02
# A frame with less than this share of its animation's usual pixels is a fade.
FADED = 0.5
# Pixels: a photograph is averaged to about that first, for nine of it must fit into memory.
LARGE = 2048
# 16 bits of grey to 8: 65,535 is white as 255 is.
SIXTEEN_TO_EIGHT = 257


class UnreadablePictureError(Exception):
    """A source file that no decoder understands; the message says why."""


def decode(name: str, content: bytes, resolution: int) -> Iterator[Image.Image]:
    """The frames of a source file as RGBA images of their own size, one for a still picture.

    16 bits of grey are scaled to 8, and photographs are turned as their camera was.

    Raises:
        UnreadablePictureError: the file is broken, no picture, or of a kind without a known white.
    """
    try:
        if name.lower().endswith(".svg"):
            size = resolution * OVERSAMPLING
            drawn = resvg_py.svg_to_bytes(
                svg_string=content.decode("utf-8"), width=size, skip_system_fonts=True
            )
            content = bytes(drawn)
        with Image.open(io.BytesIO(content)) as image:
            for frame in range(getattr(image, "n_frames", 1)):
                image.seek(frame)
                yield to_rgba(ImageOps.exif_transpose(image))
    except Exception as fault:  # decoders fail on damaged files in many ways of their own
        raise UnreadablePictureError(
            str(fault).splitlines()[0] if str(fault) else "broken"
        ) from fault


def to_rgba(image: Image.Image) -> Image.Image:
    """IMAGE with 8 bits a channel and transparency; Pillow alone would cut deeper ones off at 255.

    Raises:
        ValueError: its values have no known white.
    """
    if image.mode in ("I", "F"):
        raise ValueError("32 bits a pixel have no known white; save it with 8 or 16")
    if not image.mode.startswith("I;16"):
        return image.convert("RGBA")
    values = np.asarray(image)
    grey = Image.fromarray(np.rint(values / SIXTEEN_TO_EIGHT).astype(np.uint8)).convert("RGBA")
    if "transparency" in image.info:
        opaque = values != image.info["transparency"]
        grey.putalpha(Image.fromarray(np.where(opaque, 255, 0).astype(np.uint8)))
    return grey


def to_square(image: Image.Image, resolution: int, margin: float) -> np.ndarray | None:
    """IMAGE (RGBA) as (R, R, 3) uint8: on white, cropped to the creature, undistorted.

    MARGIN is the white border on each side, as a share of the square's side. Resized with
    antialiasing (bicubic). None if next to nothing is left to see.
    """
    white = Image.new("RGBA", image.size, "white")
    flat = Image.alpha_composite(white, image).convert("RGB")
    box = creature(image, flat)
    if box is None:
        return None
    drawn = flat.crop(box)
    if max(drawn.size) >= 2 * LARGE:
        drawn = drawn.reduce(max(drawn.size) // LARGE)
    width, height = drawn.size
    side = max(width, height) / (1 - 2 * margin)
    # White enough around the creature for the square, whose edges fall between pixels.
    around = ceil(side)
    canvas = Image.new("RGB", (width + 2 * around, height + 2 * around), "white")
    canvas.paste(drawn, (around, around))
    left, top = around + (width - side) / 2, around + (height - side) / 2
    square = canvas.resize(
        (resolution, resolution),
        Image.Resampling.BICUBIC,
        box=(left, top, left + side, top + side),
    )
    pixels = np.asarray(square)
    if (pixels.min(axis=2) < 255 - FAINT).mean() < BLANK:
        return None
    return pixels


def creature(image: Image.Image, flat: Image.Image) -> tuple[int, int, int, int] | None:
    """Where the creature is: the opaque part of IMAGE, or what is not white in FLAT."""
    alpha = image.getchannel("A")
    if alpha.getextrema()[0] == 255:
        mask = flat.point(lambda value: 255 if value < 255 - FAINT else 0)
        return mask.getbbox()
    return alpha.point(lambda value: 255 if value > FAINT else 0).getbbox()


def distinct_frames(name: str, content: bytes, resolution: int) -> list[int]:
    """Numbers of the frames of an animation that differ from all before and are no fades."""
    seen: set[bytes] = set()
    numbers: list[int] = []
    covered: list[int] = []
    for number, frame in enumerate(decode(name, content, resolution)):
        digest = hashlib.sha256(frame.tobytes()).digest()
        if digest not in seen:
            seen.add(digest)
            numbers.append(number)
            covered.append(int(np.count_nonzero(np.asarray(frame.getchannel("A")) > FAINT)))
    usual = float(np.median(covered)) if covered else 0.0
    return [
        number for number, pixels in zip(numbers, covered, strict=True) if pixels >= FADED * usual
    ]


def fingerprint(pixels: np.ndarray) -> str:
    """The sha256 of a picture's pixels, in hexadecimal."""
    return hashlib.sha256(np.ascontiguousarray(pixels).tobytes()).hexdigest()
