from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageSequence

from pokegan.cli.common import enlarge
from tests.cli.conftest import Pokegan, cells, generated
from tests.conftest import assert_one_sentence, succeed
from tests.models import save_model


@pytest.fixture
def samples(workspace: Path) -> np.ndarray:
    """The first images that `pokegan sample` generates with the model in the folder model."""
    return generated(save_model(workspace / "model"), 6)


def difference(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Mean absolute difference of each pair of images, in [0, 255]."""
    return np.abs(first.astype(float) - second).mean(axis=(1, 2, 3))


def test_a_row_leads_from_each_sample_to_the_next(pokegan: Pokegan, samples: np.ndarray) -> None:
    succeed(pokegan("interpolate", "model", "i.png"))
    images = cells("i.png", 20, 64)
    assert (enlarge(images[:, ::2, ::2], 2) == images).all()
    rows = images[:, ::2, ::2].reshape(6, 20, 32, 32, 3)
    assert difference(rows[:, 0], samples).max() < 0.1
    assert difference(rows[:, -1], np.roll(samples, -1, axis=0)).max() < 0.1
    # Every step of the path is small.
    steps = np.stack([difference(row[1:], row[:-1]) for row in rows])
    assert steps.max() < 0.5 * difference(samples[1:], samples[:-1]).mean()
    assert steps.min() > 0


@pytest.mark.parametrize("suffix", ["webp", "gif"])
def test_an_animation_is_endless(pokegan: Pokegan, samples: np.ndarray, suffix: str) -> None:
    file = f"i.{suffix}"
    command = ("interpolate", "model", file, "--between", "4", "--steps", "3", "--rate", "10")
    succeed(pokegan(*command))
    content = Path(file).read_bytes()
    with Image.open(file) as image:
        assert image.format == suffix.upper()
        assert image.n_frames == 12
        assert image.size == (64, 64)
        assert image.info["loop"] == 0
        frames, durations = [], []
        for frame in ImageSequence.Iterator(image):
            frames.append(np.asarray(frame.convert("RGB")))
            durations.append(frame.info["duration"])
    assert set(durations) == {100}
    shown = np.stack(frames)[::3]
    if suffix == "webp":
        assert (enlarge(shown[:, ::2, ::2], 2) == shown).all()
    assert difference(shown, enlarge(samples[:4], 2)).max() < (0.1 if suffix == "webp" else 8)
    succeed(pokegan(*command))
    assert Path(file).read_bytes() == content


def test_options_change_size_step_and_truncation(pokegan: Pokegan, samples: np.ndarray) -> None:
    plain = ("interpolate", "model", "i.png", "--between", "2", "--steps", "3", "--scale", "1")
    succeed(pokegan(*plain))
    images = cells("i.png", 3, 32)
    assert len(images) == 6
    assert difference(images[[0, 2]], samples[:2]).max() < 0.1
    succeed(pokegan(*plain, "--step", "2"))
    assert (cells("i.png", 3, 32) == 128).all()
    succeed(pokegan(*plain, "--truncation", "0.01"))
    alike = cells("i.png", 3, 32)
    assert alike.std(axis=0).mean() < 0.3 * images.std(axis=0).mean()


def test_outputs_of_other_kinds_are_rejected(pokegan: Pokegan, samples: np.ndarray) -> None:
    for output in ("i.avi", "i", "model"):
        result = pokegan("interpolate", "model", output)
        assert_one_sentence(result, output, ".png", ".webp", ".gif")
    assert_one_sentence(pokegan("interpolate", "none", "i.gif"), "none is not a trained model")
    assert pokegan("interpolate", "model", "i.gif", "--between", "1").exit_code == 2
    assert not list(Path().glob("*i.*"))
