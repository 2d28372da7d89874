"""Latents in, images out: sampling from a generator.

Latents are float32 tensors (N, latent_dim) on the CPU; images are uint8 arrays (N, R, R, 3), or
float tensors (N, 3, R, R) in [-1, 1] inside the networks.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.init import trunc_normal_

from pokegan.compute.randomness import Streams


def sample_latents(count: int, latent_dim: int, stream: torch.Generator) -> Tensor:
    """COUNT latents from N(0, 1): (COUNT, latent_dim), float32, on the CPU."""
    return torch.randn(count, latent_dim, generator=stream)


def seeded_latents(
    count: int, latent_dim: int, seed: int, truncation: float | None = None
) -> Tensor:
    """COUNT latents from N(0, 1), the first of any larger COUNT by that SEED: (COUNT, latent_dim).

    With TRUNCATION all numbers lie within ± that: those beyond are drawn again, and others for
    another COUNT; the rest stay (Brock et al. 2019, section 3.1).
    """
    stream, size = Streams(seed)["samples"], count * latent_dim
    # torch draws normal numbers by the sixteen, and others where the last sixteen are not whole.
    drawn = torch.randn(-(-size // 16) * 16, generator=stream)
    z = drawn[:size].view(count, latent_dim)
    if truncation is not None and (beyond := z.abs() > truncation).any():
        again = torch.empty(int(beyond.sum()))
        z[beyond] = trunc_normal_(again, a=-truncation, b=truncation, generator=stream)
    return z


@torch.no_grad()
def generate_images(
    generator: nn.Module, z: Tensor, batch_size: int = 64, training: bool = False
) -> Tensor:
    """Pictures of latents Z (N, latent_dim) as uint8 (N, R, R, 3), on the CPU.

    The generator draws in fp32 and in evaluation mode (batch norm's running statistics), or, if
    TRAINING, in training mode (each batch's own, which also move the running ones). It is left in
    the mode that it was in.
    """
    was_training = generator.training
    generator.train(training)
    device = next(generator.parameters()).device
    batches = [to_uint8(generator(part.to(device))).cpu() for part in z.split(batch_size)]
    generator.train(was_training)
    return torch.cat(batches)


def to_uint8(pictures: Tensor) -> Tensor:
    """Pictures (N, 3, R, R) in [-1, 1] → uint8 (N, R, R, 3), rounded to the nearest value."""
    scaled = pictures.float().add(1).mul(127.5).round().clamp(0, 255)
    return scaled.to(torch.uint8).permute(0, 2, 3, 1)


def from_uint8(pictures: Tensor) -> Tensor:
    """Pictures uint8 (N, R, R, 3) → channels-last float (N, 3, R, R) in [-1, 1]."""
    return pictures.permute(0, 3, 1, 2).float().div(127.5).sub(1)
