"""The command that draws the ways between latents."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
import torch
from av.video.reformatter import Colorspace
from PIL import Image, ImageSequence

from pokegan.cli.common import enlarged, load_drawing_generator
from pokegan.networks.sampling import generate_images, seeded_latents
from pokegan.report.animation import save_video
from tests.cli.test_common import cells, save_model
from tests.conftest import Stage, assert_one_sentence


@pytest.fixture
def samples(workspace: Path) -> np.ndarray:
    """The first pictures of pokegan.cli.sample with the model in the folder model."""
    save_model(workspace / "model")
    generator, _ = load_drawing_generator(workspace / "model", torch.device("cpu"))
    return generate_images(generator, seeded_latents(6, 8, seed=1)).numpy()


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


def test_a_video_that_browsers_play(stage: Stage, samples: np.ndarray) -> None:
    command = ("interpolate", "model", "i.mp4", "--between", "4", "--steps", "3", "--rate", "25")
    said = stage(*command)
    assert said.exit_code == 0, said.output
    content = Path("i.mp4").read_bytes()
    with av.open("i.mp4") as container:
        (stream,) = container.streams
        assert stream.codec.canonical_name == "h264"
        assert stream.format.name == "yuv420p"
        assert (stream.width, stream.height) == (128, 128)
        assert stream.average_rate == stream.guessed_rate == 25
        shown = list(container.decode(stream))
    assert [frame.time for frame in shown] == pytest.approx(np.arange(12) / 25)
    assert {frame.colorspace for frame in shown} == {Colorspace.ITU709}
    frames = np.stack([frame.to_ndarray(format="rgb24") for frame in shown])
    # Compression costs something, most where pictures are as noisy as these; another picture more.
    own, others = (enlarged(each, 4) for each in (samples[:4], np.roll(samples[:4], 1, axis=0)))
    assert apart(frames[::3], own).max() < 10 < apart(frames[::3], others).min()
    # It plays while it is fetched.
    assert content.index(b"moov") < content.index(b"mdat")
    assert stage(*command).exit_code == 0
    assert Path("i.mp4").read_bytes() == content


def test_a_video_of_odd_size_gets_its_last_row_twice(tmp_path: Path) -> None:
    pictures = np.full((3, 33, 34, 3), 255, np.uint8)
    pictures[:, 32] = 0
    save_video(tmp_path / "odd.mp4", pictures, 10)
    with av.open(tmp_path / "odd.mp4") as container:
        shown = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert np.stack(shown).shape == (3, 34, 34, 3)
    assert shown[0][32:].max() < 60
    assert shown[0][:30].min() > 240


def test_a_video_is_enlarged_on_its_way(tmp_path: Path, drawings: np.ndarray) -> None:
    save_video(tmp_path / "by_frame.mp4", drawings[:5, :31], 10, scale=3)
    save_video(tmp_path / "at_once.mp4", enlarged(drawings[:5, :31], 3), 10)
    assert (tmp_path / "by_frame.mp4").read_bytes() == (tmp_path / "at_once.mp4").read_bytes()


def test_a_video_is_whole_or_not_there(tmp_path: Path) -> None:
    (tmp_path / "i.mp4").write_text("the one before")
    broken = np.zeros((3, 32, 32, 4), np.uint8)  # no such colours
    with pytest.raises(ValueError, match="array"):
        save_video(tmp_path / "i.mp4", broken, 10)
    assert (tmp_path / "i.mp4").read_text() == "the one before"
    assert [path.name for path in tmp_path.iterdir()] == ["i.mp4"]


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
    for output in ("i.avi", "i", "model"):
        said = stage("interpolate", "model", output)
        assert_one_sentence(said, output, ".png", ".webp", ".gif", ".mp4")
    assert_one_sentence(stage("interpolate", "nowhere", "i.gif"), "nowhere is no trained model")
    assert stage("interpolate", "model", "i.gif", "--between", "1").exit_code == 2
    assert not list(Path().glob("*i.*"))
