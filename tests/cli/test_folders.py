from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pokegan.cli.folders import list_pictures, read_pictures
from pokegan.core.errors import PipelineError


def read(path: Path) -> np.ndarray:
    (pixels,) = read_pictures([path])
    return pixels


def test_pictures_are_found_below_a_folder_in_order(tmp_path: Path) -> None:
    for name in ("b.png", "a/c.JPG", "notes.txt", ".hidden.png", ".cache/d.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert list_pictures(tmp_path) == ([tmp_path / "a/c.JPG", tmp_path / "b.png"], 1)


def test_folders_that_are_none_are_named(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="nowhere is no folder"):
        list_pictures(tmp_path / "nowhere")
    with pytest.raises(PipelineError, match="holds no picture"):
        list_pictures(tmp_path)


def test_kinds_of_pictures(tmp_path: Path, drawings: np.ndarray) -> None:
    """Whatever a picture is kept as, it is read as what people see."""
    plain = Image.fromarray(drawings[0])
    grey = np.asarray(plain.convert("L"))

    plain.save(tmp_path / "plain.png")
    np.testing.assert_array_equal(read(tmp_path / "plain.png"), drawings[0])

    plain.convert("L").save(tmp_path / "grey.png")
    np.testing.assert_array_equal(read(tmp_path / "grey.png"), np.stack([grey] * 3, axis=2))

    Image.fromarray(grey.astype(np.uint16) * 257).save(tmp_path / "sixteen.png")
    np.testing.assert_array_equal(read(tmp_path / "sixteen.png"), np.stack([grey] * 3, axis=2))

    holes = np.where(grey == 255, 0, grey).astype(np.uint16) * 257
    Image.fromarray(holes).save(tmp_path / "holes.png", transparency=0)
    np.testing.assert_array_equal(read(tmp_path / "holes.png"), np.stack([grey] * 3, axis=2))

    turned = plain.getexif()
    turned[0x0112] = 6  # the camera stood on its right side
    Image.fromarray(drawings[0][:20]).save(tmp_path / "turned.png", exif=turned)
    np.testing.assert_array_equal(read(tmp_path / "turned.png"), np.rot90(drawings[0][:20], -1))

    plain.save(tmp_path / "several.jpg", format="MPO", save_all=True, append_images=[plain])
    assert read(tmp_path / "several.jpg").shape == (32, 32, 3)

    quantized = plain.quantize(256)
    quantized.save(tmp_path / "palette.png")
    np.testing.assert_array_equal(
        read(tmp_path / "palette.png"), np.asarray(quantized.convert("RGB"))
    )

    ghost = plain.convert("RGBA")
    ghost.putalpha(128)
    ghost.save(tmp_path / "ghost.png")
    expected = drawings[0] * (128 / 255) + 255 * (127 / 255)
    np.testing.assert_allclose(read(tmp_path / "ghost.png"), expected, atol=1)

    clear = Image.new("P", (4, 4), 0)
    clear.putpalette([10, 20, 30])
    clear.save(tmp_path / "clear.gif", transparency=0)
    assert (read(tmp_path / "clear.gif") == 255).all()

    Image.new("LA", (4, 4), (0, 0)).save(tmp_path / "grey_alpha.png")
    assert (read(tmp_path / "grey_alpha.png") == 255).all()

    Image.new("CMYK", (4, 4), (0, 255, 255, 0)).save(tmp_path / "print.jpg")
    red = read(tmp_path / "print.jpg")[0, 0]
    assert red[0] > 200 > 60 > red[1:].max()

    Image.new("1", (4, 4), 1).save(tmp_path / "bits.png")
    assert (read(tmp_path / "bits.png") == 255).all()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("moving.gif", "is an animation of 2 frames"),
        ("moving.png", "is an animation of 2 frames"),
        ("moving.webp", "is an animation of 2 frames"),
        ("floats.tiff", "holds 32-bit values"),
        ("wide.tiff", "holds 32-bit values"),
        ("torn.png", "cannot be read as a picture"),
        ("text.png", "cannot be read as a picture"),
    ],
)
def test_files_that_cannot_be_meant_are_named(tmp_path: Path, name: str, words: str) -> None:
    file = tmp_path / name
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    if name.startswith("moving"):
        frames[0].save(file, save_all=True, append_images=frames[1:])
    elif name == "floats.tiff":
        Image.fromarray(np.ones((8, 8), np.float32)).save(file)
    elif name == "wide.tiff":
        Image.fromarray(np.full((8, 8), 70_000, np.int32)).save(file)
    elif name == "torn.png":
        Image.effect_noise((64, 64), 50).save(file)
        file.write_bytes(file.read_bytes()[:800])
    else:
        file.write_text("no picture")
    with pytest.raises(PipelineError) as fault:
        read(file)
    assert fault.value.message.startswith(str(file))
    assert words in fault.value.message
