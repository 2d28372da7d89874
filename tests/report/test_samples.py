from pathlib import Path

import numpy as np
from PIL import Image

from pokegan.core.grids import grid
from pokegan.report.animation import downscale
from tests.report.fixtures import FULL, page


def test_an_animation_shows_the_samples_in_order(rendered: Path) -> None:
    with (
        np.load(rendered / f"reports/networks/{FULL}/samples.npz") as samples,
        Image.open(rendered / f"reports/animations/{FULL}.webp") as animation,
    ):
        assert animation.n_frames == 3
        durations = []
        for index, images in enumerate(samples["pictures"]):
            animation.seek(index)
            frame = np.asarray(animation.convert("RGB")).astype(int)
            expected = grid(images, 8)
            # Compression costs little, another snapshot far more.
            assert np.abs(frame[: len(expected)] - expected).mean() < 8
            assert (frame[len(expected) :] < 128).any()  # the caption
            durations.append(animation.info["duration"])
        assert durations == [400, 400, 2400]


def test_grids_show_the_last_samples_and_a_row_per_latent(rendered: Path) -> None:
    with np.load(rendered / f"reports/networks/{FULL}/samples.npz") as arrays:
        samples = arrays["pictures"]
    with Image.open(rendered / f"reports/grids/{FULL}.png") as last:
        assert (np.asarray(last) == grid(samples[-1], 8)).all()
    with Image.open(rendered / f"reports/grids/{FULL}_progress.png") as progress:
        rows = samples[:, :4].swapaxes(0, 1).reshape(-1, 32, 32, 3)
        assert (np.asarray(progress) == grid(rows, 3)).all()
    assert "after 50, 100, 120 epochs." in page(rendered)


def test_images_are_downscaled_by_averaging() -> None:
    values = np.arange(2 * 128 * 128 * 3, dtype=np.uint32).astype(np.uint8)
    images = values.reshape(2, 128, 128, 3)
    small = downscale(images, 64)
    assert small.shape == (2, 64, 64, 3)
    assert small[1, 5, 6, 2] == images[1, 10:12, 12:14, 2].mean().round()
    assert downscale(small, 64) is small
    assert downscale(small, 48) is small
