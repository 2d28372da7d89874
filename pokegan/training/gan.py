"""The base class of GAN families, which the training loop works with."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.optim import Optimizer

from pokegan.compute.randomness import Streams
from pokegan.core.schema import GanParams
from pokegan.networks.factory import NetworkConfig, build_network, make_optimizer
from pokegan.training.diffaugment import Augmentation
from pokegan.training.losses import (
    LeCam,
    fake_loss,
    generator_loss,
    gradient_penalty,
    optimizer_step,
    real_loss,
    relativistic_loss,
)


class Gan(ABC):
    """A family of GANs: its networks, the random inputs of a step, and the training step.

    Args:
        params: section of the network in params.yaml.
        shared_lr: learning rate used where the section has no rate of its own.
        resolution: image side in pixels.
        streams: random streams of the initial weights.
    """

    # Optimizer → networks that it updates.
    optimized: ClassVar[dict[str, tuple[str, ...]]] = {
        "generator": ("generator",),
        "discriminator": ("discriminator",),
    }

    def __init__(
        self, params: GanParams, shared_lr: float, resolution: int, streams: Streams
    ) -> None:
        self.params = params
        generator_lr, discriminator_lr = params.learning_rates(shared_lr)
        self.learning_rates = {"generator": generator_lr, "discriminator": discriminator_lr}
        self.latent_dim = params.latent_dim
        self.lecam = LeCam()
        self.augmentation = Augmentation(params.augmentation)
        self.configs = self.network_configs(resolution)
        self.networks: dict[str, nn.Module] = {
            name: build_network(config, streams, name) for name, config in self.configs.items()
        }
        self.optimizers: dict[str, Optimizer] = {}

    @property
    def generator(self) -> nn.Module:
        """The network that generates images from latents."""
        return self.networks["generator"]

    def prepare(self, device: torch.device, images: Tensor) -> None:
        """Move the networks to `device` in channels-last order and create their optimizers.

        Args:
            device: where to compute.
            images: training set, uint8 (N, R, R, 3).
        """
        self.lecam.to(device)
        for network in self.networks.values():
            network.to(device).to(memory_format=torch.channels_last).train()
        self.optimizers = {
            name: make_optimizer(
                self.params, self.learning_rates[name], [self.networks[each] for each in updated]
            )
            for name, updated in self.optimized.items()
        }

    def discriminator_loss(
        self,
        real_logits: Tensor,
        fake_logits: Tensor,
        labels: tuple[Tensor, Tensor] | None = None,
    ) -> Tensor:
        """Return D's loss, with labels (N,) of real and fake samples for "bce"."""
        kind = self.params.loss
        if kind == "relativistic":
            loss = relativistic_loss(real_logits, fake_logits)
        else:
            real_labels, fake_labels = labels or (None, None)
            loss = real_loss(kind, real_logits, real_labels)
            loss = loss + fake_loss(kind, fake_logits, fake_labels)
        if self.params.lecam:
            loss = loss + self.params.lecam * self.lecam(real_logits, fake_logits)
        return loss

    def generator_loss(self, logits: Tensor, real_logits: Callable[[], Tensor]) -> Tensor:
        """Return G's loss; `real_logits` computes those of D after its update, if needed."""
        if self.params.loss != "relativistic":
            return generator_loss(self.params.loss, logits)
        with torch.no_grad():
            real = real_logits()
        return relativistic_loss(logits, real)

    @abstractmethod
    def network_configs(self, resolution: int) -> dict[str, NetworkConfig]:
        """Return the configuration of each network for images of this side."""

    @abstractmethod
    def sample_inputs(self, count: int, streams: Streams) -> dict[str, Tensor]:
        """Sample the random inputs of a step on `count` images: tensors (count, …) on the CPU."""

    def regularizes(self, step: int) -> bool:
        """Return whether `regularize` follows a step, counted from 1."""
        return self.params.r1 > 0 and step % self.params.r1_interval == 0

    def regularize(self, real: Tensor, inputs: dict[str, Tensor]) -> None:
        """Update D by the R1 penalty of the augmented real images.

        The penalty is computed every `r1_interval` steps, with that many times the weight (Karras
        et al. 2020, arXiv:1912.04958, appendix B).
        """
        images = self.augmentation(real, inputs, "real")
        with parametrize.cached():  # one power iteration of spectral norm per update
            penalty = gradient_penalty(self.networks["discriminator"], images)
        weight = self.params.r1_interval * self.params.r1 / 2
        optimizer_step(self.optimizers["discriminator"], weight * penalty)

    @abstractmethod
    def step(self, real: Tensor, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """Update every network once.

        Args:
            real: training images, float (N, 3, R, R) in [-1, 1].
            inputs: random inputs from `sample_inputs`, on the device of `real`.

        Returns:
            Measures of the step, detached scalars on the device.
        """
