"""DCGAN: a generator against a discriminator (Radford et al. 2016)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from pokegan.compute.randomness import Streams
from pokegan.networks.factory import build, discriminator_config, generator_config, make_optimizer
from pokegan.networks.sampling import sample_latents
from pokegan.training.diffaugment import Augmentation
from pokegan.training.losses import Labels, bce_loss, frozen, nonsaturating_loss, update

if TYPE_CHECKING:
    from pokegan.core.schema import GanParams


class Dcgan:
    """The networks, their optimizers and one training step.

    Args:
        params: the network's section of params.yaml.
        shared_lr: the learning rate where the section has none of its own.
        resolution: pixels a side.
        streams: where the initial weights come from.
    """

    def __init__(
        self, params: GanParams, shared_lr: float, resolution: int, streams: Streams
    ) -> None:
        self.params = params
        self.learning_rates = params.learning_rates(shared_lr)
        self.latent_dim = params.latent_dim
        self.labels = Labels(
            params.real_label, params.fake_label, params.label_noise, params.swapped_labels
        )
        self.augmentation = Augmentation(params.augmentation)
        self.descriptions = {
            "generator": generator_config(params, resolution),
            "discriminator": discriminator_config(params, resolution),
        }
        self.networks: dict[str, nn.Module] = {
            name: build(description, streams, name)
            for name, description in self.descriptions.items()
        }
        self.generator, self.discriminator = self.networks.values()

    def prepare(self, device: torch.device) -> None:
        """Move the networks to DEVICE, channels-last, and make their optimizers."""
        for network in self.networks.values():
            network.to(device).to(memory_format=torch.channels_last).train()
        lr_generator, lr_discriminator = self.learning_rates
        self.optimizers = {
            "generator": make_optimizer(self.params, lr_generator, [self.generator]),
            "discriminator": make_optimizer(self.params, lr_discriminator, [self.discriminator]),
        }

    def draw(self, count: int, streams: Streams) -> dict[str, Tensor]:
        """The random numbers of one step on COUNT pictures, each (COUNT, …), on the CPU."""
        return {
            "z": sample_latents(count, self.latent_dim, streams["latents"]),
            "real_label": self.labels.draw(True, count, streams),
            "fake_label": self.labels.draw(False, count, streams),
            **self.augmentation.draw(("real", "fake", "fooling"), count, streams),
        }

    def step(self, real: Tensor, drawn: dict[str, Tensor]) -> dict[str, Tensor]:
        """One step of D, then one of G, on pictures REAL (N, 3, R, R) in [-1, 1].

        DRAWN is what `draw` gave for them. Returns scalars on the device: both losses, mean D(x)
        and mean D(G(z)) as seen by D, and the norms of both gradients.
        """
        augmented = self.augmentation
        fake = self.generator(drawn["z"])

        with parametrize.cached():  # one step of D, one power iteration
            on_real = self.discriminator(augmented(real, drawn, "real"))
            on_fake = self.discriminator(augmented(fake.detach(), drawn, "fake"))
        discriminator_loss = bce_loss(on_real, drawn["real_label"]) + bce_loss(
            on_fake, drawn["fake_label"]
        )
        discriminator_gradient = update(
            self.optimizers["discriminator"], [self.discriminator], discriminator_loss
        )

        with frozen(self.discriminator):
            generator_loss = nonsaturating_loss(
                self.discriminator(augmented(fake, drawn, "fooling"))
            )
            generator_gradient = update(
                self.optimizers["generator"], [self.generator], generator_loss
            )

        return {
            "discriminator_loss": discriminator_loss.detach(),
            "generator_loss": generator_loss.detach(),
            "d_real": on_real.detach().float().sigmoid().mean(),
            "d_fake": on_fake.detach().float().sigmoid().mean(),
            "discriminator_gradient": discriminator_gradient,
            "generator_gradient": generator_gradient,
        }
