"""Render a source file as square images: decoded, placed on white, cropped, resized."""

import hashlib
import io
import warnings
from collections.abc import Iterator
from math import ceil
from pathlib import PurePath

import numpy as np
import resvg_py
from PIL import Image, ImageOps, ImageSequence, UnidentifiedImageError

# Pillow warns above 89 million pixels and fails above 179 million; the error suffices.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
# A file with such a name must be an image; of others, the content decides.
SUFFIXES = (
    ".avif", ".bmp", ".gif", ".jfif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".svg", ".tif",
    ".tiff", ".webp",
)  # fmt: skip

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


class UnreadablePictureError(Exception):
    """A source file cannot be decoded; the message is the reason."""


class NoImageError(UnreadablePictureError):
    """A source file is no image, by its name and by its content."""


def decode(name: str, content: bytes, resolution: int) -> Iterator[Image.Image]:
    """Yield the frames of a source file as RGBA images of any size, with EXIF orientation applied.

    The resolution, the side of the final image, decides the size of an SVG. Raises an
    UnreadablePictureError if the file is damaged or has 32 bits per value, and a NoImageError if it
    is no image.
    """
    suffix = PurePath(name).suffix.lower()
    try:
        if suffix == ".svg" or (suffix not in SUFFIXES and b"<svg" in content[:1024]):
            svg, width = content.decode("utf-8"), resolution * OVERSAMPLING
            png = resvg_py.svg_to_bytes(svg_string=svg, width=width, skip_system_fonts=True)
            content = bytes(png)
        with Image.open(io.BytesIO(content)) as image:
            for _ in ImageSequence.Iterator(image):
                yield to_rgba(ImageOps.exif_transpose(image))
    except Exception as error:  # decoders raise many types for damaged files
        if isinstance(error, UnidentifiedImageError) and suffix not in SUFFIXES:
            raise NoImageError("no image that Pillow can read") from error
        # Pillow names the buffer, which has no name.
        reason = (str(error).partition(" <_io")[0].splitlines() or ["damaged"])[0]
        raise UnreadablePictureError(reason) from error


def to_rgba(image: Image.Image) -> Image.Image:
    """Convert to RGBA with 8 bits per channel; Pillow alone would clip 16 bits at 255.

    Raises a ValueError for 32 bits per value, whose range is unknown.
    """
    if image.mode in ("I", "F"):
        raise ValueError("32 bits per value have no defined white; save it with 8 or 16")
    if not image.mode.startswith("I;16"):
        return image.convert("RGBA")
    values = np.asarray(image)
    eight_bits = np.rint(values / 257).astype(np.uint8)  # 65,535 becomes 255
    converted = Image.fromarray(eight_bits).convert("RGBA")
    if "transparency" in image.info:
        opaque = values != image.info["transparency"]
        converted.putalpha(Image.fromarray(np.where(opaque, 255, 0).astype(np.uint8)))
    return converted


def on_white(image: Image.Image) -> Image.Image:
    """Composite an RGBA image on white; returns RGB."""
    white = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(white, image).convert("RGB")


def to_square(image: Image.Image, resolution: int, margin: float) -> np.ndarray | None:
    """Crop an RGBA image to its foreground and center it in a white square, undistorted.

    The margin is the white border on each side, as a fraction of the resolution R. Returns uint8
    (R, R, 3), resized with antialiasing (bicubic), or None if the image is blank.
    """
    flat = on_white(image)
    foreground = foreground_box(image, flat)
    if foreground is None:
        return None
    cropped = flat.crop(foreground)
    if max(cropped.size) >= 2 * MAX_SIDE:
        cropped = cropped.reduce(max(cropped.size) // MAX_SIDE)
    width, height = cropped.size
    side = max(width, height) / (1 - 2 * margin)
    # The edges of the square fall between pixels: the filter needs white beyond them.
    padding = ceil(side)
    canvas = Image.new("RGB", (width + 2 * padding, height + 2 * padding), "white")
    canvas.paste(cropped, (padding, padding))
    left, top = padding + (width - side) / 2, padding + (height - side) / 2
    box = (left, top, left + side, top + side)
    pixels = np.asarray(canvas.resize((resolution, resolution), Image.Resampling.BICUBIC, box))
    covered = (pixels.min(axis=2) < 255 - BACKGROUND).mean()
    return pixels if covered >= MIN_FOREGROUND else None


def foreground_box(image: Image.Image, flat: Image.Image) -> tuple[int, int, int, int] | None:
    """Return the bounding box of the opaque pixels or, if all are, of those not white in `flat`."""
    alpha = image.getchannel("A")
    if alpha.getextrema()[0] == 255:
        return flat.point(lambda value: 255 if value < 255 - BACKGROUND else 0).getbbox()
    return alpha.point(lambda value: 255 if value > BACKGROUND else 0).getbbox()


def distinct_frames(name: str, content: bytes, resolution: int) -> list[int]:
    """Return the numbers of an animation's frames, without repeated frames and fades."""
    seen: set[bytes] = set()
    opaque: dict[int, int] = {}
    for number, frame in enumerate(decode(name, content, resolution)):
        digest = hashlib.sha256(frame.tobytes()).digest()
        if digest not in seen:
            seen.add(digest)
            alpha = np.asarray(frame.getchannel("A"))
            opaque[number] = int(np.count_nonzero(alpha > BACKGROUND))
    smallest = MIN_OPAQUE * float(np.median(list(opaque.values())))
    return [number for number, area in opaque.items() if area >= smallest]
