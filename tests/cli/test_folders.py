from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pokegan.cli.folders import list_images, read_images
from pokegan.core.errors import PipelineError


def read(path: Path) -> np.ndarray:
    (pixels,) = read_images([path])
    return pixels


def test_images_below_a_folder_are_found_by_content(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = Image.new("RGB", (8, 8), "red")
    for name in (
        "b.png",
        "a/c.JPG",
        "d.avif",
        "e.jfif",
        "f.tif",
        "no_suffix",
        ".g.png",
        ".h/i.png",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        kind = {".png": "PNG", ".avif": "AVIF", ".tif": "TIFF"}.get(Path(name).suffix, "JPEG")
        image.save(tmp_path / name, kind)
    (tmp_path / "notes.txt").write_text("no image")
    found = [path.relative_to(tmp_path).as_posix() for path in list_images(tmp_path)]
    assert found == ["a/c.JPG", "b.png", "d.avif", "e.jfif", "f.tif", "no_suffix"]
    assert f"1 files below {tmp_path} are no images: notes.txt" in capsys.readouterr().err


def test_folders_without_images_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="nowhere is not a folder"):
        list_images(tmp_path / "nowhere")
    with pytest.raises(PipelineError, match="contains no image"):
        list_images(tmp_path)


@pytest.fixture
def image(drawings: np.ndarray) -> Image.Image:
    return Image.fromarray(drawings[0])


def test_gray_and_16_bits_become_rgb(tmp_path: Path, image: Image.Image) -> None:
    gray = np.asarray(image.convert("L"))
    rgb = np.stack([gray] * 3, axis=2)
    deep = Image.fromarray(gray.astype(np.uint16) * 257)
    holes = Image.fromarray(np.where(gray == 255, 0, gray).astype(np.uint16) * 257)
    image.convert("L").save(tmp_path / "gray.png")
    deep.save(tmp_path / "deep.png")
    holes.save(tmp_path / "transparent.png", transparency=0)
    for file in tmp_path.iterdir():
        np.testing.assert_array_equal(read(file), rgb)
    Image.new("1", (4, 4), 1).save(tmp_path / "bits.png")
    assert (read(tmp_path / "bits.png") == 255).all()


def test_colors_become_rgb(tmp_path: Path, image: Image.Image) -> None:
    image.save(tmp_path / "rgb.png")
    np.testing.assert_array_equal(read(tmp_path / "rgb.png"), np.asarray(image))
    palette = image.quantize(256)
    palette.save(tmp_path / "palette.png")
    expected = np.asarray(palette.convert("RGB"))
    np.testing.assert_array_equal(read(tmp_path / "palette.png"), expected)
    Image.new("CMYK", (4, 4), (0, 255, 255, 0)).save(tmp_path / "cmyk.jpg")
    red = read(tmp_path / "cmyk.jpg")[0, 0]
    assert red[0] > 200 > 60 > red[1:].max()


def test_transparency_is_composited_on_white(tmp_path: Path, image: Image.Image) -> None:
    half = image.convert("RGBA")
    half.putalpha(128)
    half.save(tmp_path / "half.png")
    expected = np.asarray(image) * (128 / 255) + 255 * (127 / 255)
    np.testing.assert_allclose(read(tmp_path / "half.png"), expected, atol=1)
    clear = Image.new("P", (4, 4), 0)
    clear.putpalette([10, 20, 30])
    clear.save(tmp_path / "clear.gif", transparency=0)
    assert (read(tmp_path / "clear.gif") == 255).all()
    Image.new("LA", (4, 4), (0, 0)).save(tmp_path / "clear.png")
    assert (read(tmp_path / "clear.png") == 255).all()


def test_photographs_are_rotated_and_previews_ignored(tmp_path: Path, image: Image.Image) -> None:
    top = image.crop((0, 0, 32, 20))
    exif = image.getexif()
    exif[0x0112] = 6  # rotated by 90°
    top.save(tmp_path / "rotated.png", exif=exif)
    np.testing.assert_array_equal(read(tmp_path / "rotated.png"), np.rot90(np.asarray(top), -1))
    image.save(tmp_path / "several.jpg", format="MPO", save_all=True, append_images=[image])
    assert read(tmp_path / "several.jpg").shape == (32, 32, 3)


@pytest.mark.parametrize("suffix", ["gif", "png", "webp"])
def test_an_animation_is_its_first_frame(tmp_path: Path, suffix: str) -> None:
    frames = [Image.new("RGB", (8, 8), color) for color in ("red", "blue")]
    file = tmp_path / f"moving.{suffix}"
    frames[0].save(file, save_all=True, append_images=frames[1:])
    red, _, blue = read(file)[0, 0]
    assert red > 200 > 60 > blue


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("floats.tiff", "32 bits per value"),
        ("integers.tiff", "32 bits per value"),
        ("torn.png", "cannot be read as an image"),
        ("text.png", "cannot be read as an image"),
    ],
)
def test_unusable_files_are_an_error(tmp_path: Path, name: str, words: str) -> None:
    file = tmp_path / name
    if name == "floats.tiff":
        Image.fromarray(np.ones((8, 8), np.float32)).save(file)
    elif name == "integers.tiff":
        Image.fromarray(np.full((8, 8), 70_000, np.int32)).save(file)
    elif name == "torn.png":
        Image.effect_noise((64, 64), 50).save(file)
        file.write_bytes(file.read_bytes()[:800])
    else:
        file.write_text("no image")
    with pytest.raises(PipelineError) as error:
        read(file)
    assert error.value.message.startswith(str(file))
    assert words in error.value.message
