"""Spectral normalization (Miyato et al. 2018, arXiv:1802.05957)."""

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize
from torch.nn.utils import parametrize

INITIAL_ITERATIONS = 15


class SpectralNorm(nn.Module):
    """Divide a weight by its largest singular value, estimated by power iteration (algorithm 1).

    Unlike `torch.nn.utils.parametrizations.spectral_norm`, it computes in fp32 under autocast, and
    it flattens kernels in their channels-last order, which avoids a copy and does not change their
    singular values. The initial vectors come from torch's global generator; each forward pass in
    training mode adds an iteration.
    """

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        matrix = _matrix(weight.detach())
        self.register_buffer("u", normalize(torch.randn(matrix.shape[0]), dim=0))
        self.register_buffer("v", normalize(torch.randn(matrix.shape[1]), dim=0))
        self.u: Tensor
        self.v: Tensor
        for _ in range(INITIAL_ITERATIONS):
            self._power_iteration(matrix)

    def forward(self, weight: Tensor) -> Tensor:
        """Return the weight with spectral norm 1; u and v are constants for the gradient."""
        with torch.autocast(weight.device.type, enabled=False):
            matrix = _matrix(weight)
            if self.training:
                self._power_iteration(matrix.detach())
            # The next iteration overwrites the buffers before the backward pass.
            u, v = self.u.clone(), self.v.clone()
            return weight * torch.dot(u, torch.mv(matrix, v)).reciprocal()

    @torch.no_grad()
    def _power_iteration(self, matrix: Tensor) -> None:
        self.u.copy_(normalize(torch.mv(matrix, self.v), dim=0))
        self.v.copy_(normalize(torch.mv(matrix.T, self.u), dim=0))


def _matrix(weight: Tensor) -> Tensor:
    return weight if weight.dim() == 2 else weight.permute(0, 2, 3, 1).flatten(1)


def apply_spectral_norm(network: nn.Module) -> None:
    """Normalize every trainable convolution and dense layer of a network, in place."""
    for module in list(network.modules()):
        if isinstance(module, nn.Conv2d | nn.Linear) and module.weight.requires_grad:
            parametrize.register_parametrization(module, "weight", SpectralNorm(module.weight))
