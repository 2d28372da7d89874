"""DCGAN: a generator against a discriminator (Radford et al. 2016)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from stages.gan.losses import Labels, adversarial, towards_true
from stages.gan.networks import Discriminator, Generator, initialise, normalise_spectrally
from stages.gan.randomness import Streams, latents

if TYPE_CHECKING:
    from stages.params import Network


class Dcgan:
    """The networks, their optimizers and one training step.

    Args:
        params: the network's section of params.yaml.
        lr: the learning rate, resolved.
        resolution: pixels a side.
    """

    def __init__(self, params: Network, lr: float, resolution: int) -> None:
        self.latent_dim = params.latent_dim
        self.labels = Labels(
            params.real_label, params.fake_label, params.label_noise, params.swapped_labels
        )
        self.generator = Generator(params.latent_dim, params.width, resolution)
        self.discriminator = Discriminator(params.width, resolution)
        self.networks: dict[str, nn.Module] = {
            "generator": self.generator,
            "discriminator": self.discriminator,
        }
        for network in self.networks.values():
            initialise(network)
        if params.spectral_norm:
            normalise_spectrally(self.discriminator)
        self._adam = partial(
            torch.optim.Adam,
            lr=lr,
            betas=(params.betas[0], params.betas[1]),
            fused=True,
        )

    def prepare(self, device: torch.device) -> None:
        """Move the networks to DEVICE, channels-last, and make their optimizers."""
        for network in self.networks.values():
            network.to(device).to(memory_format=torch.channels_last).train()
        self.generator_optimizer = self._adam(self.generator.parameters())
        self.discriminator_optimizer = self._adam(self.discriminator.parameters())

    def step(self, real: Tensor, streams: Streams) -> dict[str, Tensor]:
        """One step of D, then one of G, on pictures REAL (N, 3, R, R) in [-1, 1].

        Returns scalars on the device: both losses, mean D(x) and mean D(G(z)) as seen by D.
        """
        count, device = len(real), real.device
        z = latents(count, self.latent_dim, streams["latents"]).to(device)
        fake = self.generator(z)

        on_real, on_fake = self.discriminator(real), self.discriminator(fake.detach())
        discriminator_loss = adversarial(
            on_real, self.labels.draw(True, count, streams).to(device)
        ) + adversarial(on_fake, self.labels.draw(False, count, streams).to(device))
        self.discriminator_optimizer.zero_grad()
        discriminator_loss.backward()
        self.discriminator_optimizer.step()

        # D only passes the gradient on: its own weights need none in this step.
        self.discriminator.requires_grad_(False)
        generator_loss = towards_true(self.discriminator(fake))
        self.generator_optimizer.zero_grad()
        generator_loss.backward()
        self.generator_optimizer.step()
        self.discriminator.requires_grad_(True)

        return {
            "discriminator_loss": discriminator_loss.detach(),
            "generator_loss": generator_loss.detach(),
            "d_real": on_real.detach().float().sigmoid().mean(),
            "d_fake": on_fake.detach().float().sigmoid().mean(),
        }
