import io
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from pokegan.data.rendering import UnreadablePictureError, decode, distinct_frames, to_square

SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="{w}" height="{h}" viewBox="0 0 {w} {h}">'
    '<rect x="{x}" y="{y}" width="{rw}" height="{rh}" fill="#c00000"/></svg>'
)


def square(image: Image.Image, resolution: int = 64, margin: float = 0) -> np.ndarray:
    pixels = to_square(image, resolution, margin)
    assert pixels is not None
    return pixels


def red(pixels: np.ndarray) -> np.ndarray:
    return (pixels[:, :, 0] > 150) & (pixels[:, :, 1] < 100)


def test_a_drawing_is_cropped_centered_and_undistorted() -> None:
    """A rectangle of 40×20 in a corner of its canvas fills the width except for the margin."""
    svg = SVG.format(w=100, h=80, x=3, y=50, rw=40, rh=20).encode()
    pixels = square(*decode("1.svg", svg, 64), margin=0.125)
    assert (pixels.shape, pixels.dtype) == ((64, 64, 3), np.uint8)
    rows, columns = np.flatnonzero(red(pixels).any(axis=1)), np.flatnonzero(red(pixels).any(axis=0))
    assert (columns[0], columns[-1]) == (8, 55)
    assert abs(len(columns) / len(rows) - 2) < 0.1
    assert abs(rows[0] - (63 - rows[-1])) <= 1
    assert (pixels[0] == 255).all()


@pytest.mark.parametrize("size", [(10, 7), (21, 30), (33, 33), (3, 11)])
def test_the_margins_of_small_images_are_symmetric(size: tuple[int, int]) -> None:
    """Enlarged from few pixels, the margin falls between them."""
    image = Image.new("RGBA", (50, 50), (0, 0, 0, 0))
    ImageDraw.Draw(image).rectangle((4, 9, 3 + size[0], 8 + size[1]), fill=(200, 0, 0, 255))
    pixels = square(image, margin=0.125)
    assert np.array_equal(pixels, pixels[:, ::-1])
    assert np.array_equal(pixels, pixels[::-1])
    columns, rows = (np.flatnonzero(red(pixels).any(axis=axis)) for axis in (0, 1))
    longer = columns if size[0] >= size[1] else rows
    assert abs(longer[0] - 8) <= 1


@pytest.mark.parametrize("size", [(300, 200), (90, 300), (65, 64), (20, 31), (1, 3)])
@pytest.mark.parametrize("margin", [0.0, 0.05, 0.3])
def test_the_result_equals_a_crop_of_an_unlimited_white_canvas(
    size: tuple[int, int], margin: float
) -> None:
    noise = np.random.default_rng(0).integers(0, 200, (size[1], size[0], 3), np.uint8)
    image = Image.fromarray(noise).convert("RGBA")
    pixels = square(image, margin=margin)
    side, far = max(size) / (1 - 2 * margin), 2000
    canvas = Image.new("RGB", (2 * far + size[0], 2 * far + size[1]), "white")
    canvas.paste(image.convert("RGB"), (far, far))
    left, top = far + (size[0] - side) / 2, far + (size[1] - side) / 2
    box = (left, top, left + side, top + side)
    expected = canvas.resize((64, 64), Image.Resampling.BICUBIC, box=box)
    # Pillow computes the box in 32 bits.
    assert np.abs(pixels.astype(int) - np.asarray(expected)).max() <= 1


def test_transparent_pixels_become_white() -> None:
    image = Image.new("RGBA", (32, 32), (0, 255, 0, 0))
    ImageDraw.Draw(image).rectangle((8, 8, 23, 23), fill=(200, 0, 0, 255))
    pixels = square(image, 32, margin=0.25)
    assert (pixels[0, 0] == 255).all()
    assert red(pixels).sum() == 256


def test_an_opaque_image_is_cropped_at_its_white_border() -> None:
    image = Image.new("RGB", (100, 60), "white")
    ImageDraw.Draw(image).rectangle((70, 10, 89, 29), fill=(200, 0, 0))
    pixels = square(image.convert("RGBA"), 20)
    assert red(pixels).all()


@pytest.mark.parametrize("fill", [(0, 0, 0, 0), (255, 255, 255, 255)])
def test_a_blank_image_is_none(fill: tuple[int, int, int, int]) -> None:
    assert to_square(Image.new("RGBA", (32, 32), fill), 32, margin=0) is None


def encode(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format=kind, **options)
    return buffer.getvalue()


def animation(*boxes: tuple[int, int, int, int]) -> bytes:
    frames = []
    for box in boxes:
        frame = Image.new("RGBA", (40, 40), (0, 0, 0, 0))
        ImageDraw.Draw(frame).rectangle(box, fill=(200, 0, 0, 255))
        frames.append(frame)
    options = {"lossless": True, "duration": 50}
    return encode(frames[0], "WEBP", save_all=True, append_images=frames[1:], **options)


def test_repeated_frames_and_fades_are_skipped() -> None:
    full, moved, faded = (5, 5, 30, 30), (8, 5, 33, 30), (5, 5, 9, 9)
    content = animation(full, moved, full, faded, (2, 5, 27, 30))
    assert len(list(decode("1.webp", content, 64))) == 5
    assert distinct_frames("1.webp", content, 64) == [0, 1, 4]


def test_sixteen_bits_are_scaled_to_eight() -> None:
    values = np.array([[0, 257], [32_896, 65_535]], np.uint16)
    (deep,) = decode("1.png", encode(Image.fromarray(values)), 64)
    assert np.asarray(deep.convert("L")).tolist() == [[0, 1], [128, 255]]
    (masked,) = decode("1.png", encode(Image.fromarray(values), transparency=32_896), 64)
    assert np.asarray(masked.getchannel("A")).tolist() == [[255, 255], [0, 255]]
    with pytest.raises(UnreadablePictureError, match="no defined white; save it with 8 or 16"):
        list(decode("1.tif", encode(Image.fromarray(values.astype(np.float32)), "TIFF"), 64))


def test_the_exif_orientation_is_applied() -> None:
    exif = Image.Exif()
    exif[274] = 6  # orientation: rotated by 90°
    (turned,) = decode("1.png", encode(Image.new("RGB", (30, 10), "teal"), exif=exif), 64)
    assert turned.size == (10, 30)


def test_damaged_bytes_raise_no_other_exception() -> None:
    rng = np.random.default_rng(0)
    frames = [Image.fromarray(rng.integers(0, 255, (20, 20, 3), dtype=np.uint8)) for _ in range(4)]
    intact = encode(frames[0], "GIF", save_all=True, append_images=frames[1:])
    damaged = 0
    for _ in range(300):
        content = bytearray(intact)
        for position in rng.integers(0, len(content), 8):
            content[position] = rng.integers(0, 256)
        try:
            list(decode("1.gif", bytes(content), 64))
        except UnreadablePictureError:
            damaged += 1
    assert damaged > 20


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("1.svg", b"<svg"),
        ("1.svg", b"\xff\xfe"),
        ("1.png", b"\x89PNG\r\n\x1a\n damaged"),
        ("1.gif", b""),
    ],
)
def test_a_damaged_file_is_unreadable(name: str, content: bytes) -> None:
    with pytest.raises(UnreadablePictureError):
        list(decode(name, content, 64))
