from __future__ import annotations

import numpy as np
import pytest

from pokegan.analysis.appearance import (
    color_histograms,
    downsample,
    foregrounds,
    mean_colors,
    raw_pixels,
    shapes,
    silhouettes,
)


@pytest.fixture
def ring() -> np.ndarray:
    """One picture: a ring of red, 8 pixels wide with a white hole, and nothing else."""
    picture = np.full((1, 32, 32, 3), 255, np.uint8)
    picture[0, 8:24, 8:24] = (200, 0, 0)
    picture[0, 12:20, 12:20] = 255
    return picture


def test_a_hole_belongs_to_the_shape_and_not_to_the_color(ring: np.ndarray) -> None:
    assert foregrounds(ring).sum() == 16 * 16 - 8 * 8
    assert silhouettes(ring).sum() == 16 * 16
    assert mean_colors(ring).tolist() == [[200, 0, 0]]


def test_a_histogram_counts_colors_and_no_places(ring: np.ndarray) -> None:
    halves = ring.copy()
    halves[0, 8:24, 8:16][foregrounds(ring)[0, 8:24, 8:16]] = (0, 0, 255)
    histograms = color_histograms(np.concatenate([ring, halves, halves[:, ::-1, ::-1]]))
    assert histograms.shape == (3, 64)
    assert np.allclose((histograms**2).sum(axis=1), 1)
    assert histograms[0, 3 * 16] == 1
    assert np.allclose(histograms[1, [3 * 16, 3]], 0.5**0.5)
    assert (histograms[1] == histograms[2]).all()


def test_an_empty_picture_has_no_color_and_no_shape() -> None:
    white = np.full((1, 32, 32, 3), 255, np.uint8)
    assert not color_histograms(white).any()
    assert not shapes(white).any()
    assert mean_colors(white).tolist() == [[255, 255, 255]]


def test_shapes_and_pixels_have_the_same_size_at_every_resolution(ring: np.ndarray) -> None:
    large = ring.repeat(4, axis=1).repeat(4, axis=2)
    assert (shapes(large) == shapes(ring)).all()
    assert shapes(ring).reshape(16, 16)[4:12, 4:12].all()
    assert shapes(ring).sum() == 8 * 8
    assert raw_pixels(large).shape == (1, 64 * 64 * 3)
    assert raw_pixels(ring).shape == (1, 32 * 32 * 3)
    assert downsample(np.arange(16.0).reshape(1, 4, 4, 1), 2)[0, 1, 0, 0] == (8 + 9 + 12 + 13) / 4
