"""Directions of the latent space that change most of a picture (Shen & Zhou 2021, SeFa).

A generator's first layer takes each latent in by one matrix. Its principal directions come first
by how far they move what that layer gives on; no picture is needed to find them.
"""

from __future__ import annotations

from itertools import takewhile

import torch
from torch import Tensor, nn

# What the first layer is made of, with a head of either kind.
AFFINE = (nn.Unflatten, nn.Linear, nn.ConvTranspose2d)


@torch.no_grad()
def principal_directions(generator: nn.Module, latent_dim: int) -> tuple[Tensor, Tensor]:
    """Orthonormal rows (latent_dim, latent_dim), the strongest first, and their shares, on the CPU.

    Shares (latent_dim,) are parts of the variance of the first layer's output, and sum to 1. Of the
    two signs of a direction that one is taken whose largest number is positive.
    """
    (layers,) = generator.children()
    assert isinstance(layers, nn.Sequential)
    first = nn.Sequential(*takewhile(lambda layer: isinstance(layer, AFFINE), layers))
    z = torch.cat([torch.zeros(1, latent_dim), torch.eye(latent_dim)])
    device = next(generator.parameters()).device
    ends = first(z.to(device)).flatten(1).cpu().double()
    matrix = ends[1:] - ends[0]
    vectors, strengths, _ = torch.linalg.svd(matrix, full_matrices=False)
    directions = vectors.T
    largest = directions.gather(1, directions.abs().argmax(dim=1, keepdim=True))
    shares = strengths**2 / (strengths**2).sum()
    return (directions * largest.sign()).float(), shares.float()


def moved(z: Tensor, directions: Tensor, amounts: list[float]) -> Tensor:
    """Z (N, latent_dim) moved along the first DIRECTIONS by AMOUNTS, one each."""
    return z + torch.tensor(amounts, dtype=z.dtype) @ directions[: len(amounts)]
