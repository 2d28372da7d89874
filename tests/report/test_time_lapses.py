"""How a network learns, as animation and as frames of the page."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result
from PIL import Image

from pokegan.core.grids import grid
from pokegan.report.animation import at_most
from pokegan.report.time_lapses import landmarks


def test_the_animation_shows_the_samples_in_their_order(
    render: Callable[..., Result], story: Path
) -> None:
    render()
    with np.load(story / "samples.npz") as samples, Image.open("r/grids/aegan.webp") as moving:
        assert moving.n_frames == 3
        times = []
        for number, pictures in enumerate(samples["pictures"]):
            moving.seek(number)
            shown = np.asarray(moving.convert("RGB")).astype(int)
            true = grid(pictures, 8)
            # Compression costs something, another moment's picture far more.
            assert np.abs(shown[: len(true)] - true).mean() < 8
            assert (shown[len(true) :] < 128).any()
            times.append(moving.info["duration"])
        assert times == [400, 400, 2400]


def test_large_pictures_are_averaged_for_the_page() -> None:
    pictures = np.arange(2 * 128 * 128 * 3, dtype=np.uint32).astype(np.uint8)
    pictures = pictures.reshape(2, 128, 128, 3)
    small = at_most(pictures, 64)
    assert small.shape == (2, 64, 64, 3)
    assert small[1, 5, 6, 2] == pictures[1, 10:12, 12:14, 2].mean().round()
    assert at_most(small, 64) is small
    assert at_most(small, 48) is small


@pytest.mark.parametrize(
    ("epochs", "found"),
    [
        ([5.0, 99.9], []),
        ([100.0], [(100, 0, 0.0)]),
        ([50.0, 90.0, 210.0], [(100, 1, 0.542), (200, 2, 0.958)]),
    ],
)
def test_landmarks_lie_between_the_samples(
    epochs: list[float], found: list[tuple[int, int, float]]
) -> None:
    marks = landmarks(np.array(epochs))
    assert [(m["epoch"], m["frame"], round(m["place"], 3)) for m in marks] == found
