import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.stats import norm

from pokegan.metrics.sliced_wasserstein import (
    enlarge,
    laplacian_pyramid,
    project_patches,
    sliced_wasserstein,
)

RNG = np.random.default_rng(0)


def distance(fakes: np.ndarray, reals: np.ndarray, seed: int = 0) -> dict[int, float]:
    first, second = (
        project_patches(each, torch.Generator().manual_seed(seed)) for each in (fakes, reals)
    )
    return sliced_wasserstein(first, second)


def as_images(values: np.ndarray) -> np.ndarray:
    """Gray images (N, R, R, 3) of standard normal values (N, R, R)."""
    gray = (128 + 30 * values).clip(0, 255).astype(np.uint8)
    return gray[..., None].repeat(3, axis=3)


def test_a_pyramid_restores_the_images(drawings: np.ndarray) -> None:
    images = drawings[:3].repeat(2, axis=1).repeat(2, axis=2)
    finest, middle, coarsest = laplacian_pyramid(images)
    assert [each.shape[-1] for each in (finest, middle, coarsest)] == [64, 32, 16]
    restored = enlarge(enlarge(coarsest) + middle) + finest
    torch.testing.assert_close(
        restored.permute(0, 2, 3, 1).round(), torch.from_numpy(images).float()
    )
    # A constant image has no details.
    for level in laplacian_pyramid(np.full((1, 64, 64, 3), 77, np.uint8))[:-1]:
        torch.testing.assert_close(level, torch.zeros_like(level), atol=1e-4, rtol=0)


def test_equal_sets_have_no_distance_and_brightness_does_not_count() -> None:
    images = RNG.integers(60, 180, (20, 64, 64, 3), dtype=np.uint8)
    assert distance(images, images) == {64: 0, 32: 0, 16: 0}
    assert list(distance(images + 40, images).values()) == pytest.approx([0, 0, 0], abs=1)
    with pytest.raises(ValueError, match="shapes"):
        distance(images[:3], images)


def test_distance_of_white_noise_to_blank_images_in_closed_form() -> None:
    """At the only scale, normalized patches of noise are N(0, 1) in each direction u.

    Those of gray images of one normal value each are N(0, (Σu)²), where Σu is about N(0, 1). The
    Wasserstein distance of N(0, s²) and N(0, 1) is |s − 1| √(2/π).
    """
    count = 1500
    noise = as_images(RNG.normal(size=(count, 16, 16)))
    blank = as_images(np.broadcast_to(RNG.normal(size=(count, 1, 1)), (count, 16, 16)))
    # Three equal channels: both deviations are larger by √3 for noise, and s = |Σu| for blank ones.
    gray_noise = noise.copy()
    for channel in (1, 2):
        gray_noise[..., channel] = as_images(RNG.normal(size=(count, 16, 16)))[..., 0]
    mean, _ = quad(lambda x: abs(abs(x) - 1) * norm.pdf(x), -8, 8)
    expected = 1000 * mean * np.sqrt(2 / np.pi)
    assert distance(gray_noise, blank)[16] == pytest.approx(expected, rel=0.05)


def test_each_scale_sees_its_own_damage() -> None:
    """Pixel noise changes the finest scale most; equal images change all of them."""
    smooth = as_images(RNG.normal(size=(60, 8, 8)).repeat(8, axis=1).repeat(8, axis=2))
    others = as_images(RNG.normal(size=(60, 8, 8)).repeat(8, axis=1).repeat(8, axis=2))
    noisy = (others + RNG.normal(0, 20, others.shape)).clip(0, 255).astype(np.uint8)
    usual, damaged = distance(smooth, others), distance(smooth, noisy)
    assert damaged[64] > 3 * usual[64]
    assert damaged[64] - usual[64] > 2 * (damaged[16] - usual[16])
