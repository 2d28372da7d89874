"""FastGAN's generator: its fast operations against the library's, shapes and invariances."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from pokegan.networks.fastgan import (
    FastGanGenerator,
    GatedLinearUnit,
    NearestUpsampleConv,
    SkipLayerExcitation,
)
from pokegan.networks.sampling import seeded_latents


def maps(count: int, channels: int, size: int) -> Tensor:
    stream = torch.Generator().manual_seed(0)
    x = torch.randn(count, channels, size, size, generator=stream, dtype=torch.float64)
    return x.contiguous(memory_format=torch.channels_last).requires_grad_()


@pytest.mark.parametrize("size", [4, 8, 16])
def test_upsampling_and_convolution_in_one_equal_both_in_turn(size: int) -> None:
    """Values, and gradients of the input and the kernel."""
    layer, x = NearestUpsampleConv(3, 5).double(), maps(2, 3, size)
    separate = functional.conv2d(functional.interpolate(x, scale_factor=2), layer.weight, padding=1)
    found = layer(x)
    torch.testing.assert_close(found, separate)
    inputs = (x, layer.weight)
    gradients = (torch.autograd.grad(y.square().sum(), inputs) for y in (found, separate))
    torch.testing.assert_close(*gradients)


def test_the_gated_linear_unit_equals_the_library_and_keeps_the_memory_format() -> None:
    x = maps(2, 6, 5)
    gate = GatedLinearUnit()
    torch.testing.assert_close(gate(x), functional.glu(x, dim=1))
    assert torch.autograd.gradcheck(gate, (x,))
    (gradient,) = torch.autograd.grad(gate(x).sum(), x)
    assert gradient.is_contiguous(memory_format=torch.channels_last)


def test_a_skip_layer_excitation_scales_each_channel() -> None:
    layer, small, large = SkipLayerExcitation(3, 2).double(), maps(2, 3, 8), maps(2, 2, 128)
    ratio = layer(small, large) / large
    scales = ratio.mean((2, 3), keepdim=True)
    torch.testing.assert_close(ratio, scales.expand_as(ratio))
    assert ((scales > 0) & (scales < 1)).all()
    for convolution in (each for each in layer.modules() if isinstance(each, nn.Conv2d)):
        nn.init.zeros_(convolution.weight)
        nn.init.zeros_(convolution.bias)
    torch.testing.assert_close(layer(small, large), large / 2)


@pytest.mark.parametrize("resolution", [32, 64, 128, 256, 512])
def test_images_have_the_resolution_of_the_data(resolution: int) -> None:
    generator = FastGanGenerator(8, 4, resolution).eval()
    z = seeded_latents(2, 8, seed=1)
    images = generator(z)
    assert images.shape == (2, 3, resolution, resolution)
    assert images.abs().max() <= 1
    torch.testing.assert_close(generator(3 * z), images, atol=1e-5, rtol=0)
    assert set(generator.excitations) == {
        str(size) for size in (64, 128, 256, 512) if size <= resolution
    }
