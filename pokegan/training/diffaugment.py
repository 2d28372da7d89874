"""Differentiable augmentation (DiffAugment, Zhao et al. 2020, arXiv:2006.10738).

Real and generated images are augmented before each pass through the discriminator, in the updates
of both networks. Gradients pass through the augmentation, so the generator learns to generate
images that are not augmented (Karras et al. 2020, arXiv:2006.06676, section 2).
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from pokegan.compute.randomness import Streams
from pokegan.core import schema
from pokegan.networks.sampling import from_uint8, to_uint8

BACKGROUND = 1.0  # white, the background of the images; the paper fills with grey
N_RANDOM = 8  # numbers per image: 3 for color, 2 for translation, 2 for cutout, 1 for probability
N_EXAMPLES, N_VIEWS = 8, 3  # images in `examples`, augmented versions of each


class Augmentation:
    """Random augmentation of each image.

    Colors always change last, so that filled areas keep the color of the background. The paper's
    strengths are 0.125 for translation, 0.5 for cutout and brightness, 1 for saturation and 0.5 for
    contrast.

    Args:
        params: translation and cutout as shares of the side; brightness, saturation and contrast as
            the largest change; probability that an image is augmented at all.
    """

    def __init__(self, params: schema.Augmentation) -> None:
        self._params = params
        values = params.model_dump(exclude={"probability"})
        self.is_active = params.probability > 0 and any(values.values())

    def sample(self, batches: Sequence[str], count: int, streams: Streams) -> dict[str, Tensor]:
        """Sample the random inputs of named batches: float32 (count, 8) in [0, 1), on the CPU.

        They do not depend on the strengths, except that there are none without augmentation.
        """
        if not self.is_active:
            return {}
        stream = streams["augmentation"]
        return {
            f"{batch}_augmentation": torch.rand(count, N_RANDOM, generator=stream)
            for batch in batches
        }

    def __call__(self, images: Tensor, inputs: dict[str, Tensor], batch: str) -> Tensor:
        """Augment images (N, 3, R, R) in [-1, 1] by the random inputs of a named batch.

        The result may exceed that range. Without augmentation, it is `images` itself.
        """
        return self.apply(images, inputs[f"{batch}_augmentation"]) if self.is_active else images

    def apply(self, images: Tensor, noise: Tensor) -> Tensor:
        """Augment images (N, 3, R, R) in [-1, 1] by `noise` (N, 8) in [0, 1)."""
        params, original, size = self._params, images, images.shape[-1]
        color, shift, center, chance = noise.split([3, 2, 2, 1], dim=1)
        if reach := round(params.translation * size):
            images = translate(images, _to_integers(shift, 2 * reach + 1) - reach, reach)
        if params.cutout:
            images = cutout(images, _to_integers(center, size + 1), params.cutout)
        if params.brightness or params.saturation or params.contrast:
            change = (2 * color - 1).unbind(1)
            images = adjust_color(
                images,
                params.brightness * change[0],
                1 + params.saturation * change[1],
                1 + params.contrast * change[2],
            )
        if params.probability < 1:
            is_augmented = (chance < params.probability)[:, :, None, None]
            images = torch.where(is_augmented, images, original)
        return images

    def examples(self, images: Tensor, streams: Streams) -> dict[str, Tensor]:
        """Augment evenly spaced images for samples.npz; return nothing without augmentation.

        Returns:
            "true": 8 of the images, uint8 (N, R, R, 3); "seen": augmented, uint8 (3, 8, R, R, 3).
        """
        if not self.is_active:
            return {}
        rows = torch.linspace(0, len(images) - 1, min(N_EXAMPLES, len(images))).round().long()
        real = images[rows]
        noise = torch.rand(
            N_VIEWS * len(real), N_RANDOM, generator=streams["examples of augmentation"]
        )
        augmented = self.apply(from_uint8(real).repeat(N_VIEWS, 1, 1, 1), noise)
        return {"true": real, "seen": to_uint8(augmented).unflatten(0, (N_VIEWS, len(real)))}


def translate(images: Tensor, shifts: Tensor, reach: int) -> Tensor:
    """Shift each image (N, 3, R, R) down and right by integers (N, 2) in [-reach, reach]."""
    count, _, size, _ = images.shape
    padded = functional.pad(images, [reach] * 4, value=BACKGROUND).permute(0, 2, 3, 1)
    positions = torch.arange(reach, reach + size, device=images.device)
    rows, columns = (positions - shift[:, None] for shift in shifts.unbind(1))
    batch = torch.arange(count, device=images.device)[:, None, None]
    return padded[batch, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def cutout(images: Tensor, centers: Tensor, share: float) -> Tensor:
    """Fill a square in each image (N, 3, R, R), clipped at the border (DeVries and Taylor 2017).

    Its side is a share of R, its center the upper left corner of the pixel at `centers`, integers
    (N, 2) in [0, R].
    """
    size = images.shape[-1]
    middles = torch.arange(size, device=images.device) + 0.5
    rows, columns = ((middles - c[:, None]).abs() < share * size / 2 for c in centers.unbind(1))
    mask = rows[:, None, :, None] & columns[:, None, None, :]
    return images.masked_fill(mask, BACKGROUND)


def adjust_color(
    images: Tensor, brightness: Tensor, saturation: Tensor, contrast: Tensor
) -> Tensor:
    """Adjust the colors of images (N, 3, R, R) by float32 (N,) each, in this order.

    Brightness is added; saturation and contrast multiply the differences from the mean of each
    pixel and from the mean of each image.
    """
    brightness, saturation, contrast = (
        each[:, None, None, None] for each in (brightness, saturation, contrast)
    )
    # The sum is fp32 for bf16 images, too: rounding would distinguish fakes from real images.
    images = images + brightness
    images = images.mean(1, keepdim=True).lerp(images, saturation)
    return images.mean((1, 2, 3), keepdim=True).lerp(images, contrast)


def _to_integers(noise: Tensor, count: int) -> Tensor:
    """Map numbers in [0, 1) to integers in [0, count), uniformly."""
    # The product may round up to count.
    return (noise * count).long().clamp(max=count - 1)
