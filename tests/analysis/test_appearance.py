import numpy as np
import pandas as pd
import pytest

from pokegan.analysis.appearance import (
    color_histograms,
    downsample,
    foregrounds,
    mean_colors,
    raw_pixels,
    shapes,
    silhouettes,
    type_portraits,
)


@pytest.fixture
def ring() -> np.ndarray:
    """One image: a red ring, 4 pixels wide around a white hole."""
    image = np.full((1, 32, 32, 3), 255, np.uint8)
    image[0, 8:24, 8:24] = (200, 0, 0)
    image[0, 12:20, 12:20] = 255
    return image


def test_a_hole_belongs_to_the_shape_and_not_to_the_color(ring: np.ndarray) -> None:
    assert foregrounds(ring).sum() == 16 * 16 - 8 * 8
    assert silhouettes(ring).sum() == 16 * 16
    assert mean_colors(ring).tolist() == [[200, 0, 0]]


def test_a_histogram_depends_on_colors_and_not_on_positions(ring: np.ndarray) -> None:
    halves = ring.copy()
    halves[0, 8:24, 8:16][foregrounds(ring)[0, 8:24, 8:16]] = (0, 0, 255)
    histograms = color_histograms(np.concatenate([ring, halves, halves[:, ::-1, ::-1]]))
    assert histograms.shape == (3, 64)
    assert np.allclose((histograms**2).sum(axis=1), 1)
    assert histograms[0, 3 * 16] == 1
    assert np.allclose(histograms[1, [3 * 16, 3]], 0.5**0.5)
    assert (histograms[1] == histograms[2]).all()


def test_an_empty_image_has_no_color_and_no_shape() -> None:
    white = np.full((1, 32, 32, 3), 255, np.uint8)
    assert not color_histograms(white).any()
    assert not shapes(white).any()
    assert mean_colors(white).tolist() == [[255, 255, 255]]


def test_shapes_have_one_size_at_every_resolution(ring: np.ndarray) -> None:
    large = ring.repeat(4, axis=1).repeat(4, axis=2)
    assert (shapes(large) == shapes(ring)).all()
    assert shapes(ring).reshape(16, 16)[4:12, 4:12].all()
    assert shapes(ring).sum() == 8 * 8
    assert raw_pixels(large).shape == (1, 64 * 64 * 3)
    assert raw_pixels(ring).shape == (1, 32 * 32 * 3)
    assert downsample(np.arange(16.0).reshape(1, 4, 4, 1), 2)[0, 1, 0, 0] == (8 + 9 + 12 + 13) / 4


def test_portraits_start_with_the_most_common_type(ring: np.ndarray) -> None:
    images = np.concatenate([ring, ring, np.roll(ring, 4, axis=1), ring])
    found = type_portraits(images, pd.Series(["b", "a", "b", pd.NA], dtype="string"))
    assert found["names"].tolist() == ["b", "a"]
    assert found["counts"].tolist() == [2, 1]
    assert found["colours"].tolist() == [[200, 0, 0]] * 2
    assert (found["means"][1] == ring[0]).all()
    assert np.abs(found["means"][0] - images[[0, 2]].mean(axis=0)).max() <= 0.5
    assert (
        np.abs(found["silhouettes"][0] - 255 * silhouettes(images)[[0, 2]].mean(axis=0)).max()
        <= 0.5
    )
