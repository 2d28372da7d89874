import pytest
import torch
from torch import nn

from pokegan.networks.spectral_norm import apply_spectral_norm


@pytest.mark.parametrize("shape", [(6, 5), (6, 5, 4, 4)])
def test_weight_and_gradient_are_those_of_torch(shape: tuple[int, ...]) -> None:
    """As of torch.nn.utils.parametrizations.spectral_norm, after many iterations."""
    torch.manual_seed(0)
    weights, direction = torch.randn(shape), torch.randn(shape)
    results = []
    for normalize in (apply_spectral_norm, nn.utils.parametrizations.spectral_norm):
        layer = nn.Linear(5, 6) if len(shape) == 2 else nn.Conv2d(5, 6, 4)
        with torch.no_grad():
            layer.weight.copy_(weights)
        normalize(layer)
        for _ in range(500):
            normalized = layer.weight
        (normalized * direction).sum().backward()
        results.append((normalized.detach(), layer.parametrizations.weight.original.grad))
    for ours, torchs in zip(*results, strict=True):
        assert torch.allclose(ours, torchs, atol=1e-4)
