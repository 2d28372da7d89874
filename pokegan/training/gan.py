"""The base class of GAN families, which the training loop works with."""

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from pokegan.compute.randomness import Streams
from pokegan.core.schema import GanParams
from pokegan.networks.factory import NetworkConfig, build_network, make_optimizer
from pokegan.training.diffaugment import Augmentation
from pokegan.training.losses import Labels


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
        self.labels = Labels(
            params.real_label, params.fake_label, params.label_noise, params.swapped_labels
        )
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

    def prepare(self, device: torch.device) -> None:
        """Move the networks to `device` in channels-last order and create their optimizers."""
        for network in self.networks.values():
            network.to(device).to(memory_format=torch.channels_last).train()
        self.optimizers = {
            name: make_optimizer(
                self.params, self.learning_rates[name], [self.networks[each] for each in updated]
            )
            for name, updated in self.optimized.items()
        }

    @abstractmethod
    def network_configs(self, resolution: int) -> dict[str, NetworkConfig]:
        """Return the configuration of each network for images of this side."""

    @abstractmethod
    def sample_inputs(self, count: int, streams: Streams) -> dict[str, Tensor]:
        """Sample the random inputs of a step on `count` images: tensors (count, …) on the CPU."""

    @abstractmethod
    def step(self, real: Tensor, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """Update every network once.

        Args:
            real: training images, float (N, 3, R, R) in [-1, 1].
            inputs: random inputs from `sample_inputs`, on the device of `real`.

        Returns:
            Measures of the step, detached scalars on the device.
        """
