"""Sample latents and generate images.

Latents are float32 (N, latent_dim) on the CPU. Images are uint8 (N, R, R, 3) outside of networks
and float (N, 3, R, R) in [-1, 1] inside.
"""

import torch
from torch import Tensor, nn
from torch.nn.init import trunc_normal_

from pokegan.compute.randomness import Streams


def sample_latents(count: int, latent_dim: int, stream: torch.Generator) -> Tensor:
    """Sample latents (count, latent_dim) from N(0, 1)."""
    return torch.randn(count, latent_dim, generator=stream)


def seeded_latents(
    count: int, latent_dim: int, seed: int, truncation: float | None = None
) -> Tensor:
    """Sample latents (count, latent_dim) from N(0, 1) by a seed; a larger count extends them.

    With truncation, values outside of ± truncation are resampled (Brock et al. 2019, section 3.1);
    which values replace them depends on the count.
    """
    stream, size = Streams(seed)["samples"], count * latent_dim
    # torch.randn samples blocks of 16 values; an incomplete last block would contain others.
    noise = torch.randn(-(-size // 16) * 16, generator=stream)
    z = noise[:size].view(count, latent_dim)
    if truncation is not None and (outside := z.abs() > truncation).any():
        resampled = torch.empty(int(outside.sum()))
        z[outside] = trunc_normal_(resampled, a=-truncation, b=truncation, generator=stream)
    return z


@torch.no_grad()
def generate_images(generator: nn.Module, z: Tensor, batch_size: int = 64) -> Tensor:
    """Generate images uint8 (N, R, R, 3) on the CPU from latents (N, latent_dim), in fp32.

    The generator is in evaluation mode: batch norm uses its running statistics.
    """
    was_training = generator.training
    generator.eval()
    device = next(generator.parameters()).device
    batches = [to_uint8(generator(batch.to(device))).cpu() for batch in z.split(batch_size)]
    generator.train(was_training)
    return torch.cat(batches)


def to_uint8(images: Tensor) -> Tensor:
    """Convert float (N, 3, R, R) in [-1, 1] to uint8 (N, R, R, 3), rounded and clamped."""
    scaled = images.float().add(1).mul(127.5).round().clamp(0, 255)
    return scaled.to(torch.uint8).permute(0, 2, 3, 1)


def from_uint8(images: Tensor) -> Tensor:
    """Convert uint8 (N, R, R, 3) to float (N, 3, R, R) in [-1, 1], channels-last in memory."""
    return images.permute(0, 3, 1, 2).float().div(127.5).sub(1)
