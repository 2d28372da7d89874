"""Render a source file as square images: decoded, placed on white, cropped, resized."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from math import ceil

import numpy as np
import resvg_py
from PIL import Image, ImageOps

# An SVG is rendered at this multiple of the resolution and then reduced.
OVERSAMPLING = 4
# Largest alpha, or distance from white, that counts as background.
BACKGROUND = 8
# An image is blank if a smaller fraction of its pixels is foreground.
MIN_FOREGROUND = 0.02
# A frame is a fade if it has a smaller fraction of the median opaque area of its animation.
MIN_OPAQUE = 0.5
# Longer sides (pixels) are first averaged to about this length, to bound memory.
MAX_SIDE = 2048
# 65,535 / 255
SIXTEEN_TO_EIGHT_BITS = 257


class UnreadablePictureError(Exception):
    """A source file cannot be decoded; the message is the reason."""


def decode(name: str, content: bytes, resolution: int) -> Iterator[Image.Image]:
    """Decode a source file into its frames: RGBA images at their own size.

    A still image has one frame. 16-bit grayscale is scaled to 8 bits, and the EXIF orientation is
    applied.

    Args:
        name: file name; its suffix distinguishes SVG from raster formats.
        content: content of the file.
        resolution: side of the final image in pixels, which decides the size of an SVG.

    Raises:
        UnreadablePictureError: the file is damaged, not an image, or has 32 bits per value.
    """
    try:
        if name.lower().endswith(".svg"):
            content = bytes(
                resvg_py.svg_to_bytes(
                    svg_string=content.decode("utf-8"),
                    width=resolution * OVERSAMPLING,
                    skip_system_fonts=True,
                )
            )
        with Image.open(io.BytesIO(content)) as image:
            for frame in range(getattr(image, "n_frames", 1)):
                image.seek(frame)
                yield to_rgba(ImageOps.exif_transpose(image))
    except Exception as error:  # decoders raise many types for damaged files
        reason = (str(error).splitlines() or ["damaged"])[0]
        raise UnreadablePictureError(reason) from error


def to_rgba(image: Image.Image) -> Image.Image:
    """Convert to RGBA with 8 bits per channel; Pillow alone would clip 16 bits at 255.

    Raises:
        ValueError: the image has 32 bits per value, whose range is unknown.
    """
    if image.mode in ("I", "F"):
        raise ValueError("32 bits per value have no defined white; save it with 8 or 16")
    if not image.mode.startswith("I;16"):
        return image.convert("RGBA")
    values = np.asarray(image)
    eight_bits = np.rint(values / SIXTEEN_TO_EIGHT_BITS).astype(np.uint8)
    converted = Image.fromarray(eight_bits).convert("RGBA")
    if "transparency" in image.info:
        opaque = values != image.info["transparency"]
        converted.putalpha(Image.fromarray(np.where(opaque, 255, 0).astype(np.uint8)))
    return converted


def to_square(image: Image.Image, resolution: int, margin: float) -> np.ndarray | None:
    """Crop an RGBA image to its foreground and center it in a white square, undistorted.

    Args:
        image: RGBA image of any size.
        resolution: side R of the square in pixels.
        margin: white border on each side as a fraction of R.

    Returns:
        uint8 (R, R, 3), resized with antialiasing (bicubic); None if the image is blank.
    """
    white = Image.new("RGBA", image.size, "white")
    flat = Image.alpha_composite(white, image).convert("RGB")
    box = foreground_box(image, flat)
    if box is None:
        return None
    cropped = flat.crop(box)
    if max(cropped.size) >= 2 * MAX_SIDE:
        cropped = cropped.reduce(max(cropped.size) // MAX_SIDE)
    width, height = cropped.size
    side = max(width, height) / (1 - 2 * margin)
    # The edges of the square fall between pixels: the filter needs white beyond them.
    padding = ceil(side)
    canvas = Image.new("RGB", (width + 2 * padding, height + 2 * padding), "white")
    canvas.paste(cropped, (padding, padding))
    left, top = padding + (width - side) / 2, padding + (height - side) / 2
    square = canvas.resize(
        (resolution, resolution),
        Image.Resampling.BICUBIC,
        box=(left, top, left + side, top + side),
    )
    pixels = np.asarray(square)
    foreground = pixels.min(axis=2) < 255 - BACKGROUND
    return pixels if foreground.mean() >= MIN_FOREGROUND else None


def foreground_box(image: Image.Image, flat: Image.Image) -> tuple[int, int, int, int] | None:
    """Return the bounding box of the opaque pixels or, if all are, of those that are not white.

    Args:
        image: RGBA image.
        flat: the same on white, RGB.
    """
    alpha = image.getchannel("A")
    if alpha.getextrema()[0] == 255:
        return flat.point(lambda value: 255 if value < 255 - BACKGROUND else 0).getbbox()
    return alpha.point(lambda value: 255 if value > BACKGROUND else 0).getbbox()


def distinct_frames(name: str, content: bytes, resolution: int) -> list[int]:
    """Return the numbers of an animation's frames, without repeated frames and fades.

    Raises:
        UnreadablePictureError: as for `decode`.
    """
    seen: set[bytes] = set()
    opaque: dict[int, int] = {}
    for number, frame in enumerate(decode(name, content, resolution)):
        digest = hashlib.sha256(frame.tobytes()).digest()
        if digest not in seen:
            seen.add(digest)
            alpha = np.asarray(frame.getchannel("A"))
            opaque[number] = int(np.count_nonzero(alpha > BACKGROUND))
    usual = float(np.median(list(opaque.values()))) if opaque else 0.0
    return [number for number, area in opaque.items() if area >= MIN_OPAQUE * usual]
