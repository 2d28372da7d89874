import numpy as np
import pytest

from pokegan.metrics.spectrum import checkerboard, power_spectrum, radial_profile

SIDE = 64
Y, X = np.mgrid[:SIDE, :SIDE]


def spectrum(*patterns: np.ndarray) -> np.ndarray:
    """Power spectrum of gray images 128 + pattern."""
    gray = np.stack([128 + each for each in patterns]).round().clip(0, 255).astype(np.uint8)
    return power_spectrum(gray[..., None].repeat(3, axis=3))


@pytest.mark.parametrize("pattern", [(-1) ** X, (-1) ** Y, (-1) ** (X + Y)])
def test_patterns_of_two_pixels_are_a_checkerboard(pattern: np.ndarray) -> None:
    found = spectrum(50 * pattern)
    assert found.sum() == pytest.approx(1)
    assert checkerboard(found) == pytest.approx(1)
    # Within a disc, as in the body of a creature.
    disc = np.hypot(X - 32, Y - 32) < 20
    alone = checkerboard(spectrum(50 * disc))
    assert alone < 0.002
    # The disc has the power of its contrast in both images, the pattern adds as much.
    both = checkerboard(spectrum(50 * disc + 50 * disc * pattern))
    share = disc.mean() / (disc.mean() * (1 - disc.mean()) + disc.mean())
    assert 0.85 * share < both <= share


def test_longer_periods_are_no_checkerboard() -> None:
    for pattern in (np.cos(np.pi * X / 2), np.cos(np.pi * (X + Y) / 4), X % 3 - 1.0):
        assert checkerboard(spectrum(50 * pattern)) < 0.002


def test_white_noise_has_the_share_of_the_frequencies() -> None:
    noise = np.random.default_rng(0).normal(0, 30, (50, SIDE, SIDE))
    found = spectrum(*noise)
    # Five of 64 frequencies around each of three points.
    assert checkerboard(found) == pytest.approx(3 * 25 / (SIDE**2 - 1), rel=0.1)
    np.testing.assert_allclose(radial_profile(found) * (SIDE**2 - 1), 1, rtol=0.3)


def test_the_profile_has_a_peak_at_the_frequency_of_a_wave() -> None:
    for waves in (3, 16, 32):
        profile = radial_profile(spectrum(50 * np.cos(2 * np.pi * waves * X / SIDE)))
        assert profile.shape == (SIDE // 2,)
        assert profile.argmax() == waves - 1


def test_blank_images_have_no_power() -> None:
    assert not spectrum(np.zeros((SIDE, SIDE))).any()
