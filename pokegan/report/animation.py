"""Frames with captions, animated files, and images as data URIs."""

import base64
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from pokegan.core.files import atomic_write
from pokegan.core.grids import to_image

DISPLAY_SIZE = 64  # pixels: side of an image on the page; saved files have the full resolution
FONT_SIZE, CAPTION_HEIGHT = 11, 16  # pixels
QUALITY = 85  # of lossy WebP; below it, the checkerboard of transposed convolutions is smeared


def captioned(images: np.ndarray, captions: Sequence[str]) -> np.ndarray:
    """Add a caption, truncated to the width, below each image, uint8 (N, H, W, 3)."""
    font = ImageFont.load_default(FONT_SIZE)
    width = images.shape[2]
    lines = []
    for caption in captions:
        rest, text = caption, caption
        while rest and font.getlength(text) > width:
            rest = rest[:-1]
            text = f"{rest}…"
        line = Image.new("RGB", (width, CAPTION_HEIGHT), "white")
        ImageDraw.Draw(line).text((width / 2, 1), text, "black", font, anchor="ma")
        lines.append(np.asarray(line))
    return np.concatenate([images, np.stack(lines)], axis=1)


def downscale(images: np.ndarray, size: int = DISPLAY_SIZE) -> np.ndarray:
    """Reduce images, uint8 (N, R, R, 3), by averaging if R is a multiple of the size."""
    count, resolution = images.shape[:2]
    factor, rest = divmod(resolution, size)
    if factor < 2 or rest:
        return images
    blocks = images.reshape(count, size, factor, size, factor, 3)
    smaller: np.ndarray = blocks.mean(axis=(2, 4)).round().astype(np.uint8)
    return smaller


def data_uri(pixels: np.ndarray, lossless: bool = True) -> str:
    """Encode an image, uint8 (H, W, 3), as a WebP in a data URI."""
    buffer = BytesIO()
    to_image(pixels).save(buffer, format="WEBP", lossless=lossless, quality=QUALITY)
    return f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def save_animation(
    output: Path, frames: np.ndarray, rate: float, hold: float = 0, lossless: bool = True
) -> None:
    """Write frames, uint8 (N, H, W, 3), as an endless WebP, or as a GIF of 256 colors per frame.

    The rate is in frames per second; the last frame is held for `hold` additional seconds.
    """
    first, *others = map(to_image, frames)
    durations = [round(1000 / rate)] * len(frames)
    durations[-1] += round(1000 * hold)
    with atomic_write(output) as temporary:
        first.save(
            temporary,
            format=output.suffix[1:].upper(),
            save_all=True,
            append_images=others,
            duration=durations,
            loop=0,
            lossless=lossless,
            quality=QUALITY,
        )
