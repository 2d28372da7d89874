"""The command that draws the ways between latents."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageSequence

from stages.drawing import draw_latents, enlarged, load_drawing_generator
from stages.gan.networks import draw_pictures
from tests.conftest import Stage, assert_one_sentence
from tests.test_drawing import cells, save_model


@pytest.fixture
def samples(workspace: Path) -> np.ndarray:
    """The first pictures of stages.sample with the model in the folder model."""
    save_model(workspace / "model")
    generator, _ = load_drawing_generator(workspace / "model", torch.device("cpu"))
    return draw_pictures(generator, draw_latents(6, 8, seed=1)).numpy()


def apart(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Mean difference of each picture, in 0 to 255."""
    return np.abs(first.astype(float) - second).mean(axis=(1, 2, 3))


def test_a_row_leads_from_a_sample_to_the_next(stage: Stage, samples: np.ndarray) -> None:
    said = stage("interpolate", "model", "i.png")
    assert said.exit_code == 0, said.output
    pictures = cells(np.asarray(Image.open("i.png")), 10, 64)
    assert (enlarged(pictures[:, ::2, ::2], 2) == pictures).all()
    rows = pictures[:, ::2, ::2].reshape(6, 10, 32, 32, 3)
    assert apart(rows[:, 0], samples).max() < 0.1
    assert apart(rows[:, -1], np.roll(samples, -1, axis=0)).max() < 0.1
    # On the way a picture moves little by little.
    steps = np.stack([apart(row[1:], row[:-1]) for row in rows])
    assert steps.max() < 0.5 * apart(samples[1:], samples[:-1]).mean()
    assert steps.min() > 0


@pytest.mark.parametrize("suffix", ["webp", "gif"])
def test_an_endless_animation(stage: Stage, samples: np.ndarray, suffix: str) -> None:
    file = f"i.{suffix}"
    command = ("interpolate", "model", file, "--between", "4", "--steps", "3", "--rate", "10")
    said = stage(*command)
    assert said.exit_code == 0, said.output
    content = Path(file).read_bytes()
    with Image.open(file) as image:
        assert image.format == suffix.upper()
        assert image.n_frames == 12
        assert image.size == (128, 128)
        assert image.info["loop"] == 0
        frames, durations = [], []
        for frame in ImageSequence.Iterator(image):
            frames.append(np.asarray(frame.convert("RGB")))
            durations.append(frame.info["duration"])
    assert set(durations) == {100}
    shown = np.stack(frames)[::3]
    if suffix == "webp":
        assert (enlarged(shown[:, ::4, ::4], 4) == shown).all()
    assert apart(shown, enlarged(samples[:4], 4)).max() < (0.1 if suffix == "webp" else 8)
    assert stage(*command).exit_code == 0
    assert Path(file).read_bytes() == content


def test_knobs(stage: Stage, samples: np.ndarray) -> None:
    plain = ("interpolate", "model", "i.png", "--between", "2", "--steps", "3", "--scale", "1")
    assert stage(*plain).exit_code == 0
    pictures = cells(np.asarray(Image.open("i.png")), 3, 32)
    assert len(pictures) == 6
    assert apart(pictures[[0, 2]], samples[:2]).max() < 0.1
    assert stage(*plain, "--step", "2").exit_code == 0
    assert (cells(np.asarray(Image.open("i.png")), 3, 32) == 128).all()
    assert stage(*plain, "--truncation", "0.01").exit_code == 0
    alike = cells(np.asarray(Image.open("i.png")), 3, 32)
    assert alike.std(axis=0).mean() < 0.3 * pictures.std(axis=0).mean()


def test_what_cannot_be_written_is_named(stage: Stage, samples: np.ndarray) -> None:
    for output in ("i.mp4", "i", "model"):
        said = stage("interpolate", "model", output)
        assert_one_sentence(said, output, ".png", ".webp", ".gif")
    assert_one_sentence(stage("interpolate", "nowhere", "i.gif"), "nowhere is no trained model")
    assert stage("interpolate", "model", "i.gif", "--between", "1").exit_code == 2
    assert not list(Path().glob("*i.*"))
