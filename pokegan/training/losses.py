"""Losses, labels, regularization and the optimizer step that all GAN families share."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import get_total_norm

from pokegan.compute.distributed import all_reduce_mean, average_gradients
from pokegan.compute.randomness import Streams
from pokegan.core.schema import DcganParams

LECAM_DECAY = 0.99


@dataclass(frozen=True)
class Labels:
    """Soft, noisy and occasionally swapped labels (Salimans et al. 2016, section 3.4).

    Labels outside [0, 1] are not clipped: binary cross-entropy is linear in its label.
    """

    real: float  # mean of the labels of real samples
    fake: float
    noise: float  # standard deviation
    swapped: float  # share of the labels with the mean of the other class

    @classmethod
    def of(cls, params: DcganParams) -> "Labels":
        """Return the labels that a network's section of params.yaml describes."""
        return cls(params.real_label, params.fake_label, params.label_noise, params.swapped_labels)

    def sample(self, count: int, streams: Streams, *, real: bool) -> Tensor:
        """Sample labels of real or fake samples: float32 (count,) on the CPU."""
        own, other = (self.real, self.fake) if real else (self.fake, self.real)
        swap = torch.rand(count, generator=streams["label swaps"]) < self.swapped
        noise = torch.randn(count, generator=streams["label noise"])
        return torch.where(swap, other, own) + self.noise * noise


def bce_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the mean binary cross-entropy of logits (N,) against labels (N,), in fp32."""
    return functional.binary_cross_entropy_with_logits(logits.float(), labels)


def real_loss(kind: str, logits: Tensor, labels: Tensor | None = None) -> Tensor:
    """Return the discriminator's loss for logits of real samples, in fp32.

    Args:
        kind: "bce" with labels, "hinge" (Lim and Ye 2017) or "logistic".
        logits: (N, …).
        labels: of "bce", (N,).
    """
    if labels is not None and kind == "bce":
        return bce_loss(logits, labels)
    logits = logits.float()
    return (functional.relu(1 - logits) if kind == "hinge" else functional.softplus(-logits)).mean()


def fake_loss(kind: str, logits: Tensor, labels: Tensor | None = None) -> Tensor:
    """Return the discriminator's loss for logits of fake samples; see `real_loss`."""
    if labels is not None and kind == "bce":
        return bce_loss(logits, labels)
    return real_loss(kind, -logits)


def relativistic_loss(higher: Tensor, lower: Tensor) -> Tensor:
    """Return the logistic loss of the differences of paired logits (N, …), in fp32.

    D's loss with real logits first, G's with fake logits first (Jolicoeur-Martineau 2019).
    """
    return nonsaturating_loss(higher.float() - lower.float())


def generator_loss(kind: str, logits: Tensor) -> Tensor:
    """Return the generator's loss for logits (N, …) of fake samples, in fp32.

    That of "hinge" is the negative mean; "bce" and "logistic" have the non-saturating loss.
    """
    return -logits.float().mean() if kind == "hinge" else nonsaturating_loss(logits)


def nonsaturating_loss(logits: Tensor) -> Tensor:
    """Return the mean −log D(G(z)) of logits in fp32 (Goodfellow et al. 2014, section 3)."""
    return functional.softplus(-logits.float()).mean()


def gradient_penalty(discriminator: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """Return the mean squared gradient norm of D at real images (R1, Mescheder et al. 2018).

    The gradient is that of the mean of an image's logits (N, …).
    """
    images = images.detach().requires_grad_()
    logits = discriminator(images).float().reshape(len(images), -1)
    (gradient,) = torch.autograd.grad(logits.mean(1).sum(), images, create_graph=True)
    return gradient.float().square().flatten(1).sum(1).mean()


class LeCam(nn.Module):
    """Regularization for little data: keep logits near their means (Tseng et al. 2021).

    The means of real and fake logits are moving averages.
    """

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("means", torch.zeros(2))
        self.means: Tensor

    def forward(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        """Return the penalty of logits (N, …) each (equation 4), and update the means."""
        real, fake = real_logits.float(), fake_logits.float()
        current = torch.stack([real.detach().mean(), fake.detach().mean()])
        self.means.lerp_(all_reduce_mean(current), 1 - LECAM_DECAY)
        real_mean, fake_mean = self.means.clone()
        excess = functional.relu(real - fake_mean), functional.relu(real_mean - fake)
        return excess[0].square().mean() + excess[1].square().mean()


def mean_probability(logits: Tensor) -> Tensor:
    """Return the mean probability "real" of logits (N, …): a detached scalar in fp32."""
    return logits.detach().float().sigmoid().mean()


def measures(
    losses: Sequence[Tensor], logits: Sequence[Tensor], gradients: Sequence[Tensor]
) -> dict[str, Tensor]:
    """Return the measures of a step that every family records, detached.

    Args:
        losses: of D and G.
        logits: of D for real and fake samples, before its update.
        gradients: norms of D's and G's.
    """
    return {
        "discriminator_loss": losses[0].detach(),
        "generator_loss": losses[1].detach(),
        "d_real": mean_probability(logits[0]),
        "d_fake": mean_probability(logits[1]),
        "discriminator_gradient": gradients[0],
        "generator_gradient": gradients[1],
    }


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
