import numpy as np
import pytest
import torch
from torch import Tensor

from pokegan.compute.randomness import Streams
from pokegan.networks.sampling import from_uint8, to_uint8
from pokegan.training.diffaugment import Augmentation, adjust_color, cutout, translate
from tests.conftest import COLOR, STRENGTHS, augmentation

MANY = 4096


def random_images(count: int, size: int) -> Tensor:
    """Images (count, 3, size, size) in [-1, 0.9) without any white."""
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(0)) * 1.9 - 1


def augment(*kinds: str, probability: float = 1.0) -> Augmentation:
    return Augmentation(augmentation(*kinds, probability=probability))


def uniform(count: int) -> Tensor:
    return torch.rand(count, 8, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("size", [32, 64])
def test_a_translation_is_a_roll_with_a_white_border(size: int) -> None:
    reach = size // 8
    shifts = torch.cartesian_prod(*[torch.tensor([-reach, -1, 0, 2, reach])] * 2)
    images = random_images(len(shifts), size)
    translated = translate(images, shifts, reach)
    for image, (down, right), found in zip(images, shifts.tolist(), translated, strict=True):
        expected = image.roll((down, right), (1, 2))
        expected[:, : max(down, 0)] = expected[:, size + min(down, 0) :] = 1
        expected[:, :, : max(right, 0)] = expected[:, :, size + min(right, 0) :] = 1
        assert torch.equal(found, expected)


def test_translations_are_uniform() -> None:
    """A dot in the middle comes to each of 9×9 positions about as often, and to no other."""
    dotted = torch.ones(MANY, 3, 32, 32)
    dotted[:, :, 16, 16] = -1
    translated = augment("translation").apply(dotted, uniform(MANY))
    assert ((translated == -1).sum(dim=(1, 2, 3)) == 3).all()
    counts = (translated[:, 0] == -1).sum(0)
    expected = MANY / 81
    assert (counts[12:21, 12:21] - expected).abs().max() < 5 * expected**0.5
    assert counts[12:21, 12:21].sum() == MANY


def test_a_cutout_is_a_white_square_clipped_at_the_border() -> None:
    """For every center, including the borders and corners."""
    size, half = 32, 3
    centers = torch.cartesian_prod(torch.arange(size + 1), torch.arange(size + 1))
    images = random_images(1, size).expand(len(centers), -1, -1, -1)
    cut = cutout(images, centers, 0.2)
    white = (cut == 1).all(dim=1)
    first, last = (centers - half).clamp(min=0), (centers + half).clamp(max=size)
    assert torch.equal(white.sum(dim=(1, 2)), (last - first).prod(dim=1))
    for number in (0, 5, size // 2 * (size + 2), len(centers) - 1):
        (top, left), (bottom, right) = first[number].tolist(), last[number].tolist()
        assert white[number, top:bottom, left:right].all()
    assert torch.equal(torch.where(white[:, None], images, cut), images)


def test_centers_of_cutouts_are_uniform() -> None:
    size, half = 32, 3
    images = random_images(1, size).expand(MANY, -1, -1, -1)
    cut = augment("cutout").apply(images, uniform(MANY))
    found = (cut == 1).all(dim=1).float().mean(0)
    positions = torch.arange(size)
    centers = (positions + half).clamp(max=size) - (positions - half).clamp(min=-1)
    expected = centers / (size + 1)
    assert (found - expected[:, None] * expected).abs().max() < 5 * (0.25 / MANY) ** 0.5


def test_brightness_is_added() -> None:
    images, ones, summand = random_images(3, 8), torch.ones(3), torch.tensor([-0.5, 0.0, 0.25])
    found = adjust_color(images, summand, ones, ones)
    assert torch.allclose(found, images + summand[:, None, None, None], atol=1e-6)
    assert torch.equal(found[1], images[1])
    assert found.min() < -1.3


def test_saturation_scales_the_difference_from_grey() -> None:
    images = random_images(3, 8)
    images[:, :, 0, 0] = 1  # white stays white
    found = adjust_color(images, torch.zeros(3), torch.tensor([0.0, 1.0, 2.0]), torch.ones(3))
    grey = images.mean(1, keepdim=True)
    assert torch.allclose(found[0], grey[0].expand(3, -1, -1), atol=1e-6)
    assert torch.equal(found[1], images[1])
    assert torch.allclose(found[2], 2 * images[2] - grey[2], atol=1e-6)
    assert torch.allclose(found[:, :, 0, 0], torch.ones(3, 3), atol=1e-6)


def test_contrast_scales_the_difference_from_the_mean() -> None:
    images, factor = random_images(3, 8), torch.tensor([0.5, 1.0, 1.5])
    found = adjust_color(images, torch.zeros(3), torch.ones(3), factor)
    assert torch.allclose(found.mean((1, 2, 3)), images.mean((1, 2, 3)), atol=1e-6)
    assert torch.allclose(found.std((1, 2, 3)), images.std((1, 2, 3)) * factor, atol=1e-5)
    assert torch.equal(found[1], images[1])


def test_colors_are_unchanged_on_average() -> None:
    """E[brightness] = 0, E[saturation] = E[contrast] = 1, independent of each other."""
    images = random_images(1, 8)
    found = augment(*COLOR).apply(images.expand(MANY, -1, -1, -1), uniform(MANY))
    error = (found.mean(0) - images[0]).abs() / (found.std(0) / MANY**0.5)
    assert error.max() < 5
    means = found.mean((1, 2, 3)) - images.mean()
    assert means.min() == pytest.approx(-0.5, abs=0.01)
    assert means.max() == pytest.approx(0.5, abs=0.01)
    assert means.std() == pytest.approx(12**-0.5, rel=0.05)


def test_filled_areas_have_the_color_of_the_background() -> None:
    """A white image only changes its brightness, everywhere alike."""
    augmented = augment(*STRENGTHS).apply(torch.ones(64, 3, 32, 32), uniform(64))
    lowest, highest = augmented.amin((1, 2, 3)), augmented.amax((1, 2, 3))
    assert torch.allclose(lowest, highest, atol=1e-6)
    assert lowest.std() > 0.1


@pytest.mark.parametrize("kinds", [["translation"], ["cutout"], COLOR, STRENGTHS])
def test_gradients_pass_through(kinds: list[str]) -> None:
    images, noise = random_images(2, 8).double().requires_grad_(), uniform(2).double()
    assert torch.autograd.gradcheck(augment(*kinds).apply, (images, noise))


def test_bf16_images_are_augmented_in_fp32_like_real_ones() -> None:
    images, noise = random_images(4, 32).bfloat16(), uniform(4)
    augmented = augment(*STRENGTHS).apply(images, noise)
    assert augmented.dtype == torch.float32
    assert torch.equal(augmented, augment(*STRENGTHS).apply(images.float(), noise))


def test_the_largest_random_number_stays_in_range() -> None:
    """Its product with a number of positions rounds up in fp32."""
    largest = torch.full((1, 8), 1 - 2**-24)
    for size in (32, 64, 128, 256, 512):
        dotted = torch.ones(1, 3, size, size)
        dotted[:, :, size // 2, size // 2] = -1
        translated = augment("translation").apply(dotted, largest)
        assert (translated[0, 0] == -1).nonzero().tolist() == [[size // 2 + size // 8] * 2]
        cut = augment("cutout").apply(-torch.ones(1, 3, size, size), largest)
        assert (cut[0, 0] == 1).sum() == round(size / 10) ** 2


def test_examples_are_real_images_and_augmented_versions_of_them(drawings: np.ndarray) -> None:
    images, streams = torch.from_numpy(drawings), Streams(1)
    examples = augment("translation").examples(images, streams)
    assert torch.equal(examples["true"][[0, -1]], images[[0, -1]])
    assert examples["seen"].shape == (3, 8, 32, 32, 3)
    assert examples["seen"].dtype == torch.uint8
    shifts = torch.cartesian_prod(torch.arange(-4, 5), torch.arange(-4, 5))
    for view in examples["seen"]:
        for real, augmented in zip(examples["true"], view, strict=True):
            candidates = translate(from_uint8(real[None]).repeat(81, 1, 1, 1), shifts, 4)
            assert (to_uint8(candidates) == augmented).all(dim=(1, 2, 3)).any()
    assert len({tuple(view.flatten().tolist()) for view in examples["seen"]}) == 3
    assert list(streams.state_dict()) == ["examples of augmentation"]
    assert len(augment(*STRENGTHS).examples(images[:3], streams)["true"]) == 3
    assert augment().examples(images, streams) == {}
