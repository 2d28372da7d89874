"""Spectral norm: a layer whose largest singular value is one (Miyato et al. 2018)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize
from torch.nn.utils import parametrize

FIRST_ITERATIONS = 15


class SpectralNorm(nn.Module):
    """A weight over its largest singular value, which power iteration follows (algorithm 1).

    torch's own parametrization, with two differences. Kernels are read in channels-last order, in
    which they lie in memory: the order of a matrix's columns does not change its singular values,
    and nothing is copied. And it computes in fp32 under autocast, too.

    Args:
        weight: (out, in) or (out, in, height, width); one iteration follows with each pass in
            training. The first vectors come from torch's global generator.
    """

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        matrix = _matrix(weight.detach())
        self.register_buffer("u", normalize(torch.randn(matrix.shape[0]), dim=0))
        self.register_buffer("v", normalize(torch.randn(matrix.shape[1]), dim=0))
        self.u: Tensor
        self.v: Tensor
        for _ in range(FIRST_ITERATIONS):
            self._iterate(matrix)

    def forward(self, weight: Tensor) -> Tensor:
        """WEIGHT, of spectral norm one. Its gradient passes through the norm, not the vectors."""
        with torch.autocast(weight.device.type, enabled=False):
            matrix = _matrix(weight)
            if self.training:
                self._iterate(matrix.detach())
            # The next iteration writes over them before the gradient has been taken.
            u, v = self.u.clone(), self.v.clone()
            return weight * torch.dot(u, torch.mv(matrix, v)).reciprocal()

    @torch.no_grad()
    def _iterate(self, matrix: Tensor) -> None:
        self.u.copy_(normalize(torch.mv(matrix, self.v), dim=0))
        self.v.copy_(normalize(torch.mv(matrix.T, self.u), dim=0))


def _matrix(weight: Tensor) -> Tensor:
    return weight if weight.dim() == 2 else weight.permute(0, 2, 3, 1).flatten(1)


def apply_spectral_norm(network: nn.Module) -> None:
    """Spectral norm on every convolution and dense layer of NETWORK, in place."""
    for module in list(network.modules()):
        if isinstance(module, nn.Conv2d | nn.Linear):
            parametrize.register_parametrization(module, "weight", SpectralNorm(module.weight))
