"""Losses, labels and the optimizer step that all GAN families share."""

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
    """Soft, noisy and occasionally swapped labels (Salimans et al. 2016, section 3.4).

    Labels outside [0, 1] are not clipped: binary cross-entropy is linear in its label.

    Args:
        real: mean label of real samples.
        fake: mean label of fake samples.
        noise: standard deviation of both.
        swapped: share of labels whose mean is that of the other class.
    """

    real: float
    fake: float
    noise: float
    swapped: float

    def sample(self, count: int, streams: Streams, *, real: bool) -> Tensor:
        """Sample labels of real or fake samples: float32 (count,) on the CPU."""
        own, other = (self.real, self.fake) if real else (self.fake, self.real)
        swap = torch.rand(count, generator=streams["label swaps"]) < self.swapped
        noise = torch.randn(count, generator=streams["label noise"])
        return torch.where(swap, other, own) + self.noise * noise


def bce_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the mean binary cross-entropy of logits (N,) against labels (N,), in fp32."""
    return functional.binary_cross_entropy_with_logits(logits.float(), labels)


def nonsaturating_loss(logits: Tensor) -> Tensor:
    """Return the mean of −log D(G(z)) for logits (N,) of fakes, in fp32.

    The non-saturating generator loss of Goodfellow et al. 2014, section 3.
    """
    return functional.softplus(-logits.float()).mean()


def mean_probability(logits: Tensor) -> Tensor:
    """Return the mean probability "real" of logits (N,): a detached scalar in fp32."""
    return logits.detach().float().sigmoid().mean()


@contextmanager
def frozen(*networks: nn.Module) -> Iterator[None]:
    """Compute no gradients of the networks' parameters; gradients still pass through."""
    try:
        for network in networks:
            network.requires_grad_(False)
        yield
    finally:
        for network in networks:
            network.requires_grad_(True)


def optimizer_step(optimizer: torch.optim.Optimizer, loss: Tensor) -> Tensor:
    """Minimize the loss by one step; return the norm of the gradient over all parameters.

    With several processes, the gradient is their mean.
    """
    optimizer.zero_grad()
    loss.backward()
    parameters = [each for group in optimizer.param_groups for each in group["params"]]
    average_gradients(parameters)
    optimizer.step()
    return get_total_norm([each.grad for each in parameters if each.grad is not None]).detach()
