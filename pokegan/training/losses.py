"""Losses, labels and the optimizer step that all GAN families share."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.utils import get_total_norm

from pokegan.compute.distributed import average_gradients
from pokegan.compute.randomness import Streams


@dataclass(frozen=True)
class Labels:
    """Soft, noisy and occasionally swapped labels (Salimans et al. 2016, section 3.4).

    Labels outside [0, 1] are not clipped: binary cross-entropy is linear in its label.
    """

    real: float  # mean of the labels of real samples
    fake: float
    noise: float  # standard deviation
    swapped: float  # share of the labels with the mean of the other class

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
    """Return the mean −log D(G(z)) of logits (N,) in fp32 (Goodfellow et al. 2014, section 3)."""
    return functional.softplus(-logits.float()).mean()


def mean_probability(logits: Tensor) -> Tensor:
    """Return the mean probability "real" of logits (N,): a detached scalar in fp32."""
    return logits.detach().float().sigmoid().mean()


def optimizer_step(optimizer: torch.optim.Optimizer, loss: Tensor) -> Tensor:
    """Update the parameters of the optimizer, and no others; return the norm of their gradient.

    With several processes, the gradient is their mean.
    """
    parameters = [each for group in optimizer.param_groups for each in group["params"]]
    optimizer.zero_grad()
    loss.backward(inputs=parameters)
    average_gradients(parameters)
    optimizer.step()
    return get_total_norm([each.grad for each in parameters if each.grad is not None]).detach()
