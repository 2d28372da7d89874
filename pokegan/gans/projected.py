"""Projected GAN: a discriminator of the features of a frozen network (Sauer et al. 2021).

The generator is FastGAN's (Liu et al. 2021).
"""

from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.utils import parametrize

from pokegan.compute.randomness import Streams
from pokegan.core.schema import ProjectedParams
from pokegan.networks.factory import NetworkConfig
from pokegan.networks.projected import ProjectedDiscriminator
from pokegan.networks.sampling import from_uint8, sample_latents
from pokegan.training.gan import Gan
from pokegan.training.losses import measures, optimizer_step


class Projected(Gan):
    """A generator G and a discriminator D of projected features."""

    params: ProjectedParams
    batches: ClassVar = ("real", "fakes")

    def network_configs(self, resolution: int) -> dict[str, NetworkConfig]:
        """Return the configurations of G and D."""
        params = self.params
        return {
            "generator": {
                "kind": "FastGanGenerator",
                "latent_dim": params.latent_dim,
                "width": params.width,
                "resolution": resolution,
                "spectral_norm": params.spectral_norm_generator,
            },
            "discriminator": {
                "kind": "ProjectedDiscriminator",
                "taps": list(params.taps),
                "feature_resolution": params.feature_resolution,
                "feature_channels": params.feature_channels,
                "width": params.width_discriminator,
                "normalization": params.normalization_discriminator,
                "spectral_norm": params.spectral_norm_discriminator,
            },
        }

    @property
    def discriminator(self) -> ProjectedDiscriminator:
        """D, with its frozen feature network."""
        network = self.networks["discriminator"]
        assert isinstance(network, ProjectedDiscriminator)
        return network

    def prepare(self, device: torch.device, images: Tensor) -> None:
        """Load the weights of the feature network, and scale its features by the real images."""
        self.discriminator.features.load_weights()
        super().prepare(device, images)
        rows = torch.linspace(0, len(images) - 1, min(64, len(images))).round().long()
        self.discriminator.calibrate(from_uint8(images[rows].to(device)))

    def sample_inputs(self, count: int, streams: Streams) -> dict[str, Tensor]:
        """Sample latents and augmentations for `count` images, on the CPU."""
        return {
            "z": sample_latents(count, self.latent_dim, streams["latents"]),
            **self.augmentation.sample(self.batches, count, streams),
        }

    def step(self, real: Tensor, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """Update D, then G on the same fakes (Sauer et al. 2021, equation 2).

        Measures: both losses, means of D(x) and D(G(z)) before the update, both gradient norms.
        """
        generator, discriminator = self.generator, self.discriminator
        augment = self.augmentation
        # The features of the fakes are computed once, for both updates.
        fake_features = discriminator.project(augment(generator(inputs["z"]), inputs, "fakes"))
        with torch.no_grad():
            real_features = discriminator.project(augment(real, inputs, "real"))
        with parametrize.cached():  # one power iteration of spectral norm per update
            real_logits = discriminator.logits(real_features)
            fake_logits = discriminator.logits([each.detach() for each in fake_features])
        discriminator_loss = self.discriminator_loss(real_logits, fake_logits)
        discriminator_gradient = optimizer_step(
            self.optimizers["discriminator"], discriminator_loss
        )

        logits = discriminator.logits(fake_features)
        generator_loss = self.generator_loss(logits, lambda: discriminator.logits(real_features))
        generator_gradient = optimizer_step(self.optimizers["generator"], generator_loss)

        return measures(
            (discriminator_loss, generator_loss),
            (real_logits, fake_logits),
            (discriminator_gradient, generator_gradient),
        )
