"""What discriminators see, as the page shows it."""

from __future__ import annotations

import base64
import json
import re
import shutil
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
from click.testing import Result
from PIL import Image

from pokegan.core.grids import grid
from tests.conftest import assert_one_sentence
from tests.report.stories import page


def augmented(story: Path, drawings: np.ndarray, kinds: list[str], **examples: np.ndarray) -> None:
    """STORY, as if its training had been augmented by KINDS."""
    run = json.loads((story / "run.json").read_text())
    run["params"][f"{story.name}.augmentation"] = kinds
    (story / "run.json").write_text(json.dumps(run))
    samples = {"epochs": np.array([1.0, 2.0]), "pictures": np.stack([drawings[:16]] * 2)}
    np.savez(story / "samples.npz", **samples, **examples)


def test_what_the_discriminator_sees_is_shown(
    render: Callable[..., Result], story: Path, drawings: np.ndarray
) -> None:
    """Of a network with augmentation; of one without, and of one that knows none, a sentence."""
    for name in ("dcgan819", "dcgan14000"):
        shutil.copytree(story, story.with_name(name))
    augmented(story.with_name("dcgan819"), drawings, [])
    examples = {"true": drawings[:8], "seen": 255 - np.stack([drawings[8:16]] * 3)}
    augmented(story, drawings, ["cutout", "translation"], **examples)
    made = render("dcgan819", "aegan", "dcgan14000")
    assert made.exit_code == 0, made.output
    off = (
        "The discriminators of dcgan819, dcgan14000 see pictures as they are; augmentation is off ("
    )
    assert page().count(off) == 1
    assert "D(x) and D(G(z)) are of the changed pictures: aegan." in page()
    assert "<code>dcgan819.augmentation</code>, <code>dcgan14000.augmentation</code>)" in page()
    assert "moved by up to an eighth of its side; covered by a white square" in page()
    assert "brighter or darker" not in page()
    assert "whiter than white" not in page()
    (shown,) = re.findall(r'base64,([^"]*)" alt="A row of true pictures', page())
    with Image.open(BytesIO(base64.b64decode(shown))) as image:
        found = np.asarray(image.convert("RGB")).astype(int)
    expected = grid(np.concatenate([examples["true"], *examples["seen"]]), 8)
    assert np.abs(found - expected).mean() < 8
    assert len(re.findall(r"<span>(true|seen)</span>", page())) == 4


def test_without_augmentation_there_is_a_sentence(render: Callable[..., Result]) -> None:
    assert render().exit_code == 0
    sentence = "The discriminator of aegan sees pictures as they are; augmentation is off (<code>"
    assert f"{sentence}aegan.augmentation</code>)." in page()
    assert "of the changed pictures" not in page()
    assert "A row of true pictures" not in page()


def test_examples_that_lack_are_named(
    render: Callable[..., Result], story: Path, drawings: np.ndarray
) -> None:
    augmented(story, drawings, ["color"], true=drawings[:8])
    assert_one_sentence(render(), "aegan: samples.npz lacks 'seen'", "dvc repro -f -s train_aegan")
