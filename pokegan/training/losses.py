"""What the networks are trained towards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import get_total_norm

from pokegan.compute.distributed import average_gradients
from pokegan.compute.randomness import Streams


@dataclass(frozen=True)
class Labels:
    """The labels that a discriminator sees: soft, noisy and now and then exchanged.

    Soft and noisy labels after Salimans et al. 2016, section 3.4, and the report's own recipe:
    true = 0.85 + 0.15·N(0, 1), false = 0.15 + 0.15·N(0, 1), 5 % exchanged. Values outside
    [0, 1] are left as drawn: cross-entropy is linear in its label.
    """

    real: float
    fake: float
    noise: float
    swapped: float

    def draw(self, truth: bool, count: int, streams: Streams) -> Tensor:
        """COUNT labels (on the CPU, float32) for pictures that are real if TRUTH, else fake."""
        own, other = (self.real, self.fake) if truth else (self.fake, self.real)
        swap = torch.rand(count, generator=streams["label swaps"]) < self.swapped
        noise = torch.randn(count, generator=streams["label noise"])
        return torch.where(swap, other, own) + self.noise * noise


def bce_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Binary cross-entropy of LOGITS (N,) against LABELS (N,), in fp32, averaged."""
    return functional.binary_cross_entropy_with_logits(logits.float(), labels)


def nonsaturating_loss(logits: Tensor) -> Tensor:
    """The non-saturating loss of a generator: its fakes should be taken for true, label 1.

    −log D(G(z)), Goodfellow et al. 2014, section 3.
    """
    return functional.softplus(-logits.float()).mean()


@contextmanager
def frozen(*networks: nn.Module) -> Iterator[None]:
    """NETWORKS pass a gradient on and take none for their own weights."""
    try:
        for network in networks:
            network.requires_grad_(False)
        yield
    finally:
        for network in networks:
            network.requires_grad_(True)


def update(optimizer: torch.optim.Optimizer, trained: list[nn.Module], loss: Tensor) -> Tensor:
    """One step of OPTIMIZER on the networks TRAINED down LOSS; the norm of its gradient.

    Where several processes train, the gradient is their mean.
    """
    optimizer.zero_grad()
    loss.backward()
    weights = [parameter for network in trained for parameter in network.parameters()]
    average_gradients(weights)
    optimizer.step()
    return get_total_norm([each.grad for each in weights if each.grad is not None]).detach()
