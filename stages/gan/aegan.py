"""AEGAN: a one-to-one map between latents and pictures (Lazarou 2020, arXiv:2004.05472).

Two autoencoders share a generator G and an encoder E; Dx judges pictures, Dz judges latents.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from stages.gan.losses import Labels, adversarial, towards_true
from stages.gan.networks import (
    Discriminator,
    Encoder,
    Generator,
    LatentDiscriminator,
    initialise,
    normalise_spectrally,
)
from stages.gan.randomness import Streams, latents

if TYPE_CHECKING:
    from stages.params import Aegan as AeganParams


class Aegan:
    """The networks, their optimizers and one training step.

    Args:
        params: the network's section of params.yaml.
        lr: the learning rate, resolved.
        resolution: pixels a side.
    """

    def __init__(self, params: AeganParams, lr: float, resolution: int) -> None:
        self.params = params
        self.latent_dim = params.latent_dim
        self.labels = Labels(
            params.real_label, params.fake_label, params.label_noise, params.swapped_labels
        )
        self.generator = Generator(params.latent_dim, params.width, resolution)
        self.encoder = Encoder(params.latent_dim, params.width, resolution)
        self.discriminator = Discriminator(params.width, resolution)
        self.latent_discriminator = LatentDiscriminator(params.latent_dim)
        self.networks: dict[str, nn.Module] = {
            "generator": self.generator,
            "encoder": self.encoder,
            "discriminator": self.discriminator,
            "latent_discriminator": self.latent_discriminator,
        }
        for network in self.networks.values():
            initialise(network)
        if params.spectral_norm:
            normalise_spectrally(self.discriminator)
        self._adam = partial(
            torch.optim.Adam,
            lr=lr,
            betas=(params.betas[0], params.betas[1]),
            weight_decay=params.weight_decay,
            fused=True,
        )

    def prepare(self, device: torch.device) -> None:
        """Move the networks to DEVICE, channels-last, and make their optimizers."""
        for network in self.networks.values():
            network.to(device).to(memory_format=torch.channels_last).train()
        self.generator_optimizer = self._adam(
            [*self.generator.parameters(), *self.encoder.parameters()]
        )
        self.discriminator_optimizer = self._adam(
            [*self.discriminator.parameters(), *self.latent_discriminator.parameters()]
        )

    def step(self, real: Tensor, streams: Streams) -> dict[str, Tensor]:
        """One step of Dx and Dz, then one of G and E, on pictures REAL (N, 3, R, R) in [-1, 1].

        Returns scalars on the device: the losses, mean Dx(x) and mean Dx(G(z)), and the mean
        absolute errors of G(E(x)) and E(G(z)).
        """
        weights, count = self.params, len(real)
        z = latents(count, self.latent_dim, streams["latents"]).to(real.device)
        fake, encoded = self.generator(z), self.encoder(real)
        picture_again, latent_again = self.generator(encoded), self.encoder(fake)

        on_real = self.discriminator(real)
        on_fake, on_again = (self.discriminator(x.detach()) for x in (fake, picture_again))
        picture_loss = self._judgement(on_real, on_fake, on_again, streams)
        latent_loss = self._judgement(
            self.latent_discriminator(z),
            self.latent_discriminator(encoded.detach()),
            self.latent_discriminator(latent_again.detach()),
            streams,
        )
        self.discriminator_optimizer.zero_grad()
        (picture_loss + latent_loss).backward()
        self.discriminator_optimizer.step()

        # The discriminators only pass the gradient on: their own weights need none here.
        self.discriminator.requires_grad_(False)
        self.latent_discriminator.requires_grad_(False)
        picture_error = functional.l1_loss(picture_again.float(), real)
        latent_error = functional.mse_loss(latent_again.float(), z)
        generator_loss = (
            weights.picture_adversarial
            * (
                towards_true(self.discriminator(fake))
                + towards_true(self.discriminator(picture_again))
            )
            + weights.latent_adversarial
            * (
                towards_true(self.latent_discriminator(encoded))
                + towards_true(self.latent_discriminator(latent_again))
            )
            + weights.picture_reconstruction * picture_error
            + weights.latent_reconstruction * latent_error
        )
        self.generator_optimizer.zero_grad()
        generator_loss.backward()
        self.generator_optimizer.step()
        self.discriminator.requires_grad_(True)
        self.latent_discriminator.requires_grad_(True)

        return {
            "discriminator_loss": picture_loss.detach(),
            "generator_loss": generator_loss.detach(),
            "d_real": on_real.detach().float().sigmoid().mean(),
            "d_fake": on_fake.detach().float().sigmoid().mean(),
            "latent_discriminator_loss": latent_loss.detach(),
            "picture_error": picture_error.detach(),
            "latent_error": latent_error.detach(),
        }

    def _judgement(self, true: Tensor, first: Tensor, second: Tensor, streams: Streams) -> Tensor:
        """A discriminator's loss: the true ones count as much as both kinds of false ones."""
        count, device = len(true), true.device
        label = self.labels.draw
        return (
            2 * adversarial(true, label(True, count, streams).to(device))
            + adversarial(first, label(False, count, streams).to(device))
            + adversarial(second, label(False, count, streams).to(device))
        ) / 4
