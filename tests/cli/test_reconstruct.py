import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from pokegan.cli.common import load_generator_at
from pokegan.data.rendering import decode, to_square
from pokegan.networks.sampling import from_uint8, generate_images
from pokegan.networks.weights import load_network
from tests.cli.conftest import CPU, Pokegan, cells
from tests.conftest import assert_one_sentence, succeed
from tests.models import save_model

SVG = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 40 20">
<rect x="5" y="2" width="30" height="16" fill="teal"/></svg>"""


@pytest.fixture
def files(workspace: Path, drawings: np.ndarray) -> list[str]:
    """Images of several formats and sizes, beside an AEGAN and a DCGAN."""
    save_model(workspace / "model", "aegan")
    save_model(workspace / "dcgan")
    Path("a.svg").write_text(SVG)
    Image.fromarray(drawings[0]).resize((90, 130)).save("b.jpg")
    image = Image.fromarray(drawings[1]).convert("RGBA")
    image.putalpha(Image.fromarray((drawings[1].min(axis=2) < 255).astype(np.uint8) * 255))
    image.save("c.png")
    frames = [Image.fromarray(each) for each in drawings[2:5]]
    frames[0].save("d.gif", save_all=True, append_images=frames[1:])
    return ["a.svg", "b.jpg", "c.png", "d.gif"]


def prepare(name: str) -> np.ndarray:
    """Prepare an image like the data sets, with the committed margin."""
    pixels = to_square(next(decode(name, Path(name).read_bytes(), 32)), 32, 0.03)
    assert pixels is not None
    return pixels


def test_each_image_stands_above_its_reconstruction(pokegan: Pokegan, files: list[str]) -> None:
    result = succeed(pokegan("reconstruct", "model", "r.png", *files, "--scale", "1"))
    pairs = cells("r.png", 4, 32, 96)
    originals, recon = pairs[:, :32], pairs[:, 48:80]
    assert (originals == np.stack([prepare(name) for name in files])).all()

    generator, _ = load_generator_at(Path("model"), CPU)
    encoder = load_network(Path("model"), "encoder")
    with torch.no_grad():
        z = encoder(from_uint8(torch.from_numpy(originals.copy())))
        z_recon = encoder(from_uint8(torch.from_numpy(recon.copy())))
    assert (recon == generate_images(generator, z).numpy()).all()

    output = json.loads(result.stdout)
    assert output["model"] == "model"
    assert [each["file"] for each in output["pictures"]] == files
    errors: dict[str, Any] = {
        "picture_error": np.abs(originals.astype(float) - recon).mean(axis=(1, 2, 3)) / 255,
        "latent_error": (z_recon - z).norm(dim=1).numpy(),
        "latent_norm": z.norm(dim=1).numpy(),
    }
    for name, expected in errors.items():
        found = [each[name] for each in output["pictures"]]
        np.testing.assert_allclose(found, expected, rtol=1e-4)
    assert 0 < max(errors["picture_error"]) < 1


def test_the_same_command_writes_the_same_bytes(pokegan: Pokegan, files: list[str]) -> None:
    results = [pokegan("reconstruct", "model", f"{name}.png", *files) for name in "xy"]
    assert results[0].stdout == results[1].stdout
    assert Path("x.png").read_bytes() == Path("y.png").read_bytes()
    assert Image.open("x.png").size == (4 * 66 + 2, 2 * (64 + 16) + 4)


def test_the_ninth_image_starts_a_row(pokegan: Pokegan, files: list[str]) -> None:
    succeed(pokegan("reconstruct", "model", "r.png", *files, *files, "a.svg"))
    pairs = cells("r.png", 8, 64, 160)
    assert len(pairs) == 16
    assert (pairs[8] == pairs[0]).all()
    assert (pairs[9:] == 255).all()


def test_errors_are_one_sentence_and_write_nothing(pokegan: Pokegan, files: list[str]) -> None:
    Path("words.png").write_text("words")
    Image.new("RGB", (50, 50), "white").save("white.png")
    Path("half.png").write_bytes(Path("white.png").read_bytes()[:60])
    before = {path.name: path.read_bytes() for path in Path().iterdir() if path.is_file()}
    for file, words in {
        "words.png": "words.png cannot be read as an image",
        "none.png": "none.png cannot be read as an image (No such file",
        "half.png": "half.png cannot be read as an image",
        "model": "model cannot be read as an image (Is a directory)",
        "white.png": "white.png is blank",
    }.items():
        assert_one_sentence(pokegan("reconstruct", "model", "r.png", "a.svg", file), words)
    assert_one_sentence(pokegan("reconstruct", "dcgan", "r.png", "a.svg"), "dcgan has no encoder")
    assert_one_sentence(pokegan("reconstruct", "model", "r.webp", "a.svg"), "r.webp", ".png")
    # A forgotten OUTPUT must not overwrite an image.
    assert_one_sentence(pokegan("reconstruct", "model", "c.png", "a.svg"), "c.png exists already")
    assert pokegan("reconstruct", "model", "r.png").exit_code == 2
    after = {path.name: path.read_bytes() for path in Path().iterdir() if path.is_file()}
    assert after == before
