"""Moving pictures: frames, lines below them, animated files, and what a page holds of them."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from pokegan.core.files import atomic_write
from pokegan.core.grids import to_image

SIDE = 64  # pixels of a picture on the page; the files beside it have them all
LETTERS, LINE = 11, 16  # pixels: height of a caption's letters and of its line
# Of lossy WebP: below, the chequer of transposed convolutions begins to smear.
QUALITY = 85
# Of H.264: here x264 is said to look lossless.
CRF = "18"


def captioned(pictures: np.ndarray, captions: Sequence[str]) -> np.ndarray:
    """PICTURES (N, H, W, 3) with a line below each, cut where it is too long: (N, H + 16, W, 3)."""
    font = ImageFont.load_default(LETTERS)
    width = pictures.shape[2]
    lines = []
    for caption in captions:
        kept, shown = caption, caption
        while kept and font.getlength(shown) > width:
            kept = kept[:-1]
            shown = f"{kept}…"
        line = Image.new("RGB", (width, LINE), "white")
        ImageDraw.Draw(line).text((width / 2, 1), shown, "black", font, anchor="ma")
        lines.append(np.asarray(line))
    return np.concatenate([pictures, np.stack(lines)], axis=1)


def at_most(pictures: np.ndarray, side: int = SIDE) -> np.ndarray:
    """PICTURES (N, R, R, 3) uint8, averaged down to SIDE pixels if R is a multiple of that."""
    count, size = pictures.shape[:2]
    factor, rest = divmod(size, side)
    if factor < 2 or rest:
        return pictures
    blocks = pictures.reshape(count, side, factor, side, factor, 3)
    smaller: np.ndarray = blocks.mean(axis=(2, 4)).round().astype(np.uint8)
    return smaller


def save_animation(
    output: Path, frames: np.ndarray, rate: float, hold: float = 0, lossless: bool = True
) -> None:
    """Write FRAMES (N, H, W, 3), RATE a second, as the endless OUTPUT, an animated WebP or GIF.

    The last frame stays HOLD seconds longer. WebP keeps every pixel if LOSSLESS; GIF reduces a
    frame to 256 colours, and times to 1/100 s.
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


def save_video(output: Path, frames: np.ndarray, rate: int, scale: int = 1) -> None:
    """Write FRAMES (N, H, W, 3) uint8, RATE a second, as the MP4 OUTPUT, without sound.

    Each pixel becomes a square of SCALE × SCALE, a frame at a time: all at once would not fit.

    H.264 with 4:2:0 chroma, as every browser plays it, which takes even sizes: an odd one gets its
    last row or column twice. The index stands first, so that it plays while it is fetched.
    """
    import av
    from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc

    height, width = frames.shape[1] * scale, frames.shape[2] * scale
    even = [(0, height % 2), (0, width % 2), (0, 0)]
    with (
        atomic_write(output) as temporary,
        av.open(temporary, "w", format="mp4", options={"movflags": "faststart"}) as container,
    ):
        stream = container.add_stream("libx264", rate, options={"crf": CRF})
        stream.pix_fmt = "yuv420p"
        stream.height, stream.width = height + height % 2, width + width % 2
        # Without them a player guesses the colours by the size.
        stream.colorspace, stream.color_range = Colorspace.ITU709, ColorRange.MPEG
        stream.color_primaries, stream.color_trc = ColorPrimaries.BT709, ColorTrc.BT709
        # More would give other bytes by the number of cores.
        stream.thread_count = 1
        for pixels in frames:
            enlarged = pixels.repeat(scale, axis=0).repeat(scale, axis=1)
            frame = av.VideoFrame.from_ndarray(np.pad(enlarged, even, mode="edge"), "rgb24")
            frame = frame.reformat(format="yuv420p", dst_colorspace=Colorspace.ITU709)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def data_uri(pixels: np.ndarray, lossless: bool = True) -> str:
    """PIXELS (H, W, 3) uint8 as a WebP within an address, for a page that is one file."""
    buffer = BytesIO()
    to_image(pixels).save(buffer, format="WEBP", lossless=lossless, quality=QUALITY)
    return f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}"
