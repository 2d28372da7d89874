"""The command that draws pictures again by way of their latents."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from pokegan.cli.common import load_drawing_generator
from pokegan.data.rendering import decode, to_square
from pokegan.networks.sampling import from_uint8, generate_images
from pokegan.networks.weights import load_network
from tests.cli.test_common import cells, save_model
from tests.conftest import Stage, assert_one_sentence

SVG = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 40 20">
<rect x="5" y="2" width="30" height="16" fill="teal"/></svg>"""


@pytest.fixture
def files(workspace: Path, drawings: np.ndarray) -> list[str]:
    """Pictures of several kinds and sizes, an AEGAN and a DCGAN."""
    save_model(workspace / "model", "aegan")
    save_model(workspace / "dcgan")
    Path("a.svg").write_text(SVG)
    Image.fromarray(drawings[0]).resize((90, 130)).save("b.jpg")
    picture = Image.fromarray(drawings[1]).convert("RGBA")
    picture.putalpha(Image.fromarray((drawings[1].min(axis=2) < 255).astype(np.uint8) * 255))
    picture.save("c.png")
    frames = [Image.fromarray(each) for each in drawings[2:5]]
    frames[0].save("d.gif", save_all=True, append_images=frames[1:])
    return ["a.svg", "b.jpg", "c.png", "d.gif"]


def prepared(name: str) -> np.ndarray:
    """As the data sets do it, with the committed margin."""
    pixels = to_square(next(decode(name, Path(name).read_bytes(), 32)), 32, 0.03)
    assert pixels is not None
    return pixels


def test_each_picture_stands_above_what_became_of_it(stage: Stage, files: list[str]) -> None:
    said = stage("reconstruct", "model", "r.png", *files, "--scale", "1")
    assert said.exit_code == 0, said.output
    pairs = cells(np.asarray(Image.open("r.png")), 4, 32, 96)
    originals, again = pairs[:, :32], pairs[:, 48:80]
    assert (originals == np.stack([prepared(name) for name in files])).all()

    generator, _ = load_drawing_generator(Path("model"), torch.device("cpu"))
    encoder = load_network(Path("model"), "encoder")
    with torch.no_grad():
        z = encoder(from_uint8(torch.from_numpy(originals.copy())))
        cycle = encoder(from_uint8(torch.from_numpy(again.copy())))
    assert (again == generate_images(generator, z).numpy()).all()

    told = json.loads(said.stdout)
    assert told["model"] == "model"
    assert [each["file"] for each in told["pictures"]] == files
    errors: dict[str, Any] = {
        "picture_error": np.abs(originals.astype(float) - again).mean(axis=(1, 2, 3)) / 255,
        "latent_error": (cycle - z).norm(dim=1).numpy(),
        "latent_norm": z.norm(dim=1).numpy(),
    }
    for name, expected in errors.items():
        found = [each[name] for each in told["pictures"]]
        np.testing.assert_allclose(found, expected, rtol=1e-4)
    assert 0 < max(errors["picture_error"]) < 1


def test_the_same_command_writes_the_same_bytes(stage: Stage, files: list[str]) -> None:
    said = [stage("reconstruct", "model", f"{name}.png", *files) for name in "xy"]
    assert said[0].stdout == said[1].stdout
    assert Path("x.png").read_bytes() == Path("y.png").read_bytes()
    assert Image.open("x.png").size == (4 * 66 + 2, 2 * (64 + 16) + 4)


def test_the_way_between_two_pictures(stage: Stage, files: list[str]) -> None:
    command = ("reconstruct", "model", "w.png", "a.svg", "b.jpg", "--interpolate", "--scale", "1")
    said = stage(*command, "--steps", "5")
    assert said.exit_code == 0, said.output
    row = cells(np.asarray(Image.open("w.png")), 7, 32)
    assert (row[[0, -1]] == np.stack([prepared("a.svg"), prepared("b.jpg")])).all()
    assert stage("reconstruct", "model", "r.png", "a.svg", "b.jpg", "--scale", "1").exit_code == 0
    again = cells(np.asarray(Image.open("r.png")), 2, 32, 96)[:, 48:80]
    assert np.abs(row[[1, -2]].astype(int) - again).max() <= 1
    assert len(json.loads(said.stdout)["pictures"]) == 2
    one = stage("reconstruct", "model", "v.png", "a.svg", "--interpolate")
    assert_one_sentence(one, "--interpolate takes two FILES, not 1")


def test_more_than_a_row(stage: Stage, files: list[str]) -> None:
    assert stage("reconstruct", "model", "r.png", *files, *files, "a.svg").exit_code == 0
    pairs = cells(np.asarray(Image.open("r.png")), 8, 64, 160)
    assert len(pairs) == 16
    assert (pairs[8] == pairs[0]).all()
    assert (pairs[9:] == 255).all()


def test_photographs_are_turned_and_grey_of_16_bits_keeps_its_shades(
    stage: Stage, files: list[str]
) -> None:
    picture = Image.fromarray(np.full((40, 20, 3), 90, np.uint8))
    exif = picture.getexif()
    exif[0x0112] = 6  # to be turned by a quarter
    picture.save("turned.png", exif=exif)
    shades = np.repeat(np.linspace(0, 60_000, 64).astype(np.uint16)[:, None], 64, axis=1)
    Image.fromarray(shades).save("deep.png")
    said = stage("reconstruct", "model", "r.png", "turned.png", "deep.png", "--scale", "1")
    assert said.exit_code == 0, said.output
    turned, deep = cells(np.asarray(Image.open("r.png")), 2, 32, 96)[:, :32]
    assert (turned[16] < 128).sum() > (turned[:, 16] < 128).sum()
    column = deep[2:-2, 16, 0].astype(int)
    assert (np.diff(column) > 0).all()
    assert abs(column.mean() - 117) < 10


def test_faults_are_one_sentence_and_write_nothing(stage: Stage, files: list[str]) -> None:
    Path("words.png").write_text("words")
    Image.new("RGB", (50, 50), "white").save("white.png")
    Image.fromarray(np.zeros((50, 50), np.uint16)).save("deep.png")
    Path("half.png").write_bytes(Path("deep.png").read_bytes()[:60])
    before = {path.name: path.read_bytes() for path in Path().iterdir() if path.is_file()}
    for file, words in {
        "words.png": "words.png cannot be read as a picture",
        "none.png": "none.png cannot be read as a picture (No such file",
        "half.png": "half.png cannot be read as a picture",
        "model": "model cannot be read as a picture (Is a directory)",
        "white.png": "white.png shows next to nothing",
    }.items():
        assert_one_sentence(stage("reconstruct", "model", "r.png", "a.svg", file), words)
    assert_one_sentence(stage("reconstruct", "dcgan", "r.png", "a.svg"), "dcgan has no encoder")
    assert_one_sentence(stage("reconstruct", "model", "r.webp", "a.svg"), "r.webp", "(.png)")
    # Who forgets OUTPUT must not lose a picture.
    forgotten = stage("reconstruct", "model", "c.png", "a.svg")
    assert_one_sentence(forgotten, "c.png is there already")
    assert stage("reconstruct", "model", "r.png").exit_code == 2
    after = {path.name: path.read_bytes() for path in Path().iterdir() if path.is_file()}
    assert after == before
