import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
from click.testing import Result
from PIL import Image

from pokegan.report.images import contact_sheet
from tests.conftest import assert_one_sentence
from tests.report.fixtures import FULL, PLAIN, colors, decode, flat_images, page


def shown(root: Path, alternative: str) -> np.ndarray:
    """The pixels of the image with an alternative text."""
    (address,) = re.findall(rf'src="([^"]*)" alt="{alternative}', page(root))
    return decode(address)


def test_contact_sheets_are_evenly_spaced(tmp_path: Path) -> None:
    ramp = np.linspace(0, 255, 2047).astype(np.uint8)
    np.save(tmp_path / "ramp.npy", np.broadcast_to(ramp[:, None, None, None], (2047, 32, 32, 3)))
    sheet = contact_sheet(tmp_path / "ramp.npy", tmp_path)
    assert (sheet["name"], sheet["count"]) == ("ramp", 2047)
    with Image.open(tmp_path / "ramp.png") as image:
        assert (colors(np.asarray(image))[:, 0] == ramp[::2]).all()
    assert np.abs(colors(decode(sheet["picture"]))[:, 0] - ramp[::2].astype(int)).max() < 12


def test_the_enlarged_data_set_has_a_row_per_kind(rendered: Path) -> None:
    rows = colors(shown(rendered, "A row of images")).reshape(3, 8, 3)
    spaced = flat_images()[np.linspace(0, 47, 8).round().astype(int)].mean(axis=(1, 2))
    assert np.abs(rows - spaced).max() < 12
    labels = "<span>original</span><span>mirrored</span><span>jittered</span>"
    assert labels in page(rendered)


def test_augmented_inputs_stand_below_real_images(rendered: Path) -> None:
    rows = colors(shown(rendered, "A row of real images")).reshape(4, 8, 3)
    images = flat_images().mean(axis=(1, 2))
    assert np.abs(rows[0] - images[:8]).max() < 12
    assert np.abs(rows[1:] - (255 - images[8:16])).max() < 12
    text = page(rendered)
    assert "Cutout 0.5, contrast 0.5. Values outside of black to white are clipped" in text
    assert f"Augmentation is disabled for {PLAIN} (<code>{PLAIN}.augmentation</code>)." in text
    assert f"The discriminators of {FULL} get" in text


def test_missing_examples_of_augmentation_are_named(root: Path, call: Callable[[], Result]) -> None:
    file = root / f"reports/networks/{FULL}/samples.npz"
    with np.load(file) as arrays:
        kept = {key: arrays[key] for key in ("epochs", "pictures", "true")}
    np.savez(file, **kept)
    assert_one_sentence(call(), f"{FULL}/samples.npz cannot be read", "seen")
