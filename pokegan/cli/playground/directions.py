"""Directions in latent space that change the images most (SeFa, Shen & Zhou 2021).

They are the principal directions of the generator's first layer, an affine map; no image is needed.
"""

from itertools import takewhile

import torch
from torch import Tensor, nn

# Modules of the first layer, with either kind of head.
AFFINE = (nn.Unflatten, nn.Linear, nn.ConvTranspose2d)


@torch.no_grad()
def principal_directions(generator: nn.Module, latent_dim: int) -> tuple[Tensor, Tensor]:
    """Decompose the first layer of a generator.

    Returns:
        Orthonormal rows, float32 (latent_dim, latent_dim), the strongest first, each with the sign
        that makes its largest component positive; and their shares of the variance of the layer's
        output, float32 (latent_dim,), which sum to 1. Both on the CPU.
    """
    layers = next(each for each in generator.modules() if isinstance(each, nn.Sequential))
    first = nn.Sequential(*takewhile(lambda layer: isinstance(layer, AFFINE), layers))
    z = torch.cat([torch.zeros(1, latent_dim), torch.eye(latent_dim)])
    device = next(generator.parameters()).device
    outputs = first(z.to(device)).flatten(1).cpu().double()
    vectors, strengths, _ = torch.linalg.svd(outputs[1:] - outputs[0], full_matrices=False)
    directions = vectors.T
    largest = directions.gather(1, directions.abs().argmax(dim=1, keepdim=True))
    shares = strengths**2 / (strengths**2).sum()
    return (directions * largest.sign()).float(), shares.float()


def move(z: Tensor, directions: Tensor, amounts: list[float]) -> Tensor:
    """Move latents z (N, latent_dim) along the first directions, each by its amount."""
    return z + torch.tensor(amounts, dtype=z.dtype) @ directions[: len(amounts)]
