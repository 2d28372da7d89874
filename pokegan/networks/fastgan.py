"""FastGAN's generator (Liu et al. 2021, arXiv:2101.04775), without its noise inputs.

Two operations are written for speed on CPUs: nearest upsampling with the convolution behind it, and
the gated linear unit.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from pokegan.compute.distributed import BatchNorm

BASE_SIZE = 4
# Side of the feature maps → channels, in units of `width`.
MULTIPLES = {4: 16, 8: 8, 16: 4, 32: 2, 64: 2, 128: 1, 256: 0.5, 512: 0.25}
SKIP = 16  # factor between the sides of the maps that a skip-layer excitation connects
# Above this side, one transposed convolution is faster than upsampling and a convolution.
MAX_SEPARATE_SIZE = 4


class FastGanGenerator(nn.Module):
    """Generator with gated linear units and skip-layer excitation.

    Args:
        latent_dim: dimension of the latents.
        width: unit of the channels; 16·width at 4×4 pixels, 2·width at 64×64.
        resolution: image side R in pixels, 32 to 512.
    """

    def __init__(self, latent_dim: int, width: int, resolution: int) -> None:
        super().__init__()
        sizes = [size for size in MULTIPLES if size <= resolution]
        channels = {size: int(MULTIPLES[size] * width) for size in sizes}
        first = channels[BASE_SIZE]
        self.base = nn.Sequential(
            nn.Unflatten(1, (latent_dim, 1, 1)),
            # Unlike that of a dense layer, its initialization is small: it learns fast.
            nn.ConvTranspose2d(latent_dim, 2 * first, BASE_SIZE, bias=False),
            BatchNorm(2 * first),
            GatedLinearUnit(),
        )
        self.blocks = nn.ModuleDict(
            {
                str(size): nn.Sequential(
                    NearestUpsampleConv(channels[size // 2], 2 * channels[size]),
                    BatchNorm(2 * channels[size]),
                    GatedLinearUnit(),
                )
                for size in sizes[1:]
            }
        )
        self.excitations = nn.ModuleDict(
            {
                str(size): SkipLayerExcitation(channels[size // SKIP], channels[size])
                for size in sizes
                if size // SKIP in channels
            }
        )
        self.image = nn.Sequential(nn.Conv2d(channels[resolution], 3, 3, padding=1), nn.Tanh())

    def forward(self, z: Tensor) -> Tensor:
        """Map latents (N, latent_dim) to images (N, 3, R, R); the length of a latent is ignored."""
        x = self.base(functional.rms_norm(z, z.shape[1:], eps=1e-8))
        x = x.contiguous(memory_format=torch.channels_last)
        maps = {BASE_SIZE: x}
        for name, block in self.blocks.items():
            x = block(x)
            if name in self.excitations:
                x = self.excitations[name](maps[int(name) // SKIP], x)
            maps[int(name)] = x
        images: Tensor = self.image(x)
        return images


class NearestUpsampleConv(nn.Conv2d):
    """Nearest-neighbor upsampling by 2 and a 3×3 convolution.

    Both together are a transposed convolution with a 4×4 kernel, stride 2 and padding 1, in which
    each weight appears up to four times. It needs 4 instead of 9 products per output value.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, 3, padding=1, bias=False)
        spread = torch.tensor([[0.0, 0, 1], [0, 1, 1], [1, 1, 0], [1, 0, 0]])
        self.register_buffer("spread", spread, persistent=False)
        self.spread: Tensor

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        """Map (N, inputs, H, W) to (N, outputs, 2H, 2W)."""
        if input.shape[-1] <= MAX_SEPARATE_SIZE:
            return super().forward(functional.interpolate(input, scale_factor=2))
        kernel = torch.einsum("ai,oqij,bj->qoab", self.spread, self.weight, self.spread)
        kernel = kernel.contiguous(memory_format=torch.channels_last)
        return functional.conv_transpose2d(input, kernel, stride=2, padding=1)


class SkipLayerExcitation(nn.Module):
    """Scale the channels of large maps by a function of small ones (section 3.1)."""

    def __init__(self, small: int, large: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(small, large, BASE_SIZE), nn.SiLU(), nn.Conv2d(large, large, 1), nn.Sigmoid()
        )

    def forward(self, small: Tensor, large: Tensor) -> Tensor:
        """Return `large` (N, C, H, W), scaled by `small` (N, C', H / 16, W / 16)."""
        pooled = functional.avg_pool2d(small, small.shape[-1] // BASE_SIZE)
        scaled: Tensor = large * self.layers(pooled)
        return scaled


class GatedLinearUnit(nn.Module):
    """Multiply the first half of the channels by the sigmoid of the second."""

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, 2C, H, W) to (N, C, H, W)."""
        gated: Tensor = _Gate.apply(x)
        return gated


class _Gate(torch.autograd.Function):
    """`functional.glu`, whose gradient keeps the memory format.

    The gradient of `functional.glu` is not channels-last, and the backward pass of the batch norm
    before it then takes several times as long.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        values, gates = x.chunk(2, dim=1)
        # On a slice of the channels, sigmoid takes four times as long.
        gates = gates.contiguous(memory_format=torch.channels_last).sigmoid_()
        ctx.save_for_backward(values, gates)
        return values * gates

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        values, gates = ctx.saved_tensors
        scaled = gradients[0] * gates
        return torch.cat([scaled, scaled * values * (1 - gates)], dim=1)
