"""AEGAN: a one-to-one map between latents and pictures (Lazarou 2020, arXiv:2004.05472).

Two autoencoders share a generator G and an encoder E; Dx judges pictures, Dz judges latents.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrize

from pokegan.compute.randomness import Streams
from pokegan.networks.factory import build, discriminator_config, generator_config, make_optimizer
from pokegan.networks.sampling import sample_latents
from pokegan.training.diffaugment import Augmentation
from pokegan.training.losses import Labels, bce_loss, frozen, nonsaturating_loss, update

if TYPE_CHECKING:
    from pokegan.core.schema import AeganParams

# What a discriminator judges: the true ones, and the false ones of two kinds.
D_BATCHES = ("true", "first", "second")
# The false ones again, when the generator is judged by them.
FOOLING = ("fooling_first", "fooling_second")


class Aegan:
    """The networks, their optimizers and one training step.

    Args:
        params: the network's section of params.yaml.
        shared_lr: the learning rate where the section has none of its own.
        resolution: pixels a side.
        streams: where the initial weights come from.
    """

    def __init__(
        self, params: AeganParams, shared_lr: float, resolution: int, streams: Streams
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
            "encoder": {
                "kind": "DenseEncoder" if params.architecture == "mlp" else "Encoder",
                "latent_dim": params.latent_dim,
                "width": params.width,
                "resolution": resolution,
                "normalization": params.normalization_encoder,
            },
            "discriminator": discriminator_config(params, resolution),
            "latent_discriminator": {
                "kind": "LatentDiscriminator",
                "latent_dim": params.latent_dim,
            },
        }
        self.networks: dict[str, nn.Module] = {
            name: build(description, streams, name)
            for name, description in self.descriptions.items()
        }
        self.generator, self.encoder, self.discriminator, self.latent_discriminator = (
            self.networks.values()
        )

    def prepare(self, device: torch.device) -> None:
        """Move the networks to DEVICE, channels-last, and make their optimizers."""
        for network in self.networks.values():
            network.to(device).to(memory_format=torch.channels_last).train()
        lr_generator, lr_discriminator = self.learning_rates
        self.optimizers = {
            "generator": make_optimizer(self.params, lr_generator, [self.generator, self.encoder]),
            "discriminator": make_optimizer(
                self.params, lr_discriminator, [self.discriminator, self.latent_discriminator]
            ),
        }

    def draw(self, count: int, streams: Streams) -> dict[str, Tensor]:
        """The random numbers of one step on COUNT pictures, each (COUNT, …), on the CPU."""
        labels = {
            f"{judged}_{kind}_label": self.labels.draw(kind == "true", count, streams)
            for judged in ("picture", "latent")
            for kind in D_BATCHES
        }
        return {
            "z": sample_latents(count, self.latent_dim, streams["latents"]),
            **labels,
            **self.augmentation.draw((*D_BATCHES, *FOOLING), count, streams),
        }

    def step(self, real: Tensor, drawn: dict[str, Tensor]) -> dict[str, Tensor]:
        """One step of Dx and Dz, then one of G and E, on pictures REAL (N, 3, R, R) in [-1, 1].

        DRAWN is what `draw` gave for them. Returns scalars on the device: the losses, mean Dx(x)
        and mean Dx(G(z)), the norms of both gradients, and the mean errors of G(E(x)) (absolute)
        and of E(G(z)) (squared).
        """
        weights, augmented, z = self.params, self.augmentation, drawn["z"]
        fake, encoded = self.generator(z), self.encoder(real)
        x_recon, z_recon = self.generator(encoded), self.encoder(fake)

        with parametrize.cached():  # one step of Dx, one power iteration
            judged = zip((real, fake.detach(), x_recon.detach()), D_BATCHES, strict=True)
            on_pictures = [self.discriminator(augmented(x, drawn, kind)) for x, kind in judged]
        on_latents = [self.latent_discriminator(x.detach()) for x in (z, encoded, z_recon)]
        picture_loss = discriminator_loss_("picture", on_pictures, drawn)
        latent_loss = discriminator_loss_("latent", on_latents, drawn)
        discriminator_gradient = update(
            self.optimizers["discriminator"],
            [self.discriminator, self.latent_discriminator],
            picture_loss + latent_loss,
        )

        picture_error = functional.l1_loss(x_recon.float(), real)
        latent_error = functional.mse_loss(z_recon.float(), z)
        with frozen(self.discriminator, self.latent_discriminator):
            with parametrize.cached():
                again = zip((fake, x_recon), FOOLING, strict=True)
                fooled = [self.discriminator(augmented(x, drawn, kind)) for x, kind in again]
            fooled_latents = [self.latent_discriminator(x) for x in (encoded, z_recon)]
            generator_loss = (
                weights.picture_adversarial * sum(map(nonsaturating_loss, fooled))
                + weights.latent_adversarial * sum(map(nonsaturating_loss, fooled_latents))
                + weights.picture_reconstruction * picture_error
                + weights.latent_reconstruction * latent_error
            )
            generator_gradient = update(
                self.optimizers["generator"], [self.generator, self.encoder], generator_loss
            )

        return {
            "discriminator_loss": picture_loss.detach(),
            "generator_loss": generator_loss.detach(),
            "d_real": on_pictures[0].detach().float().sigmoid().mean(),
            "d_fake": on_pictures[1].detach().float().sigmoid().mean(),
            "discriminator_gradient": discriminator_gradient,
            "generator_gradient": generator_gradient,
            "latent_discriminator_loss": latent_loss.detach(),
            "picture_error": picture_error.detach(),
            "latent_error": latent_error.detach(),
        }


def discriminator_loss_(judged: str, logits: list[Tensor], drawn: dict[str, Tensor]) -> Tensor:
    """A discriminator's loss: the true ones count as much as both kinds of false ones."""
    true, first, second = (
        bce_loss(each, drawn[f"{judged}_{kind}_label"])
        for each, kind in zip(logits, D_BATCHES, strict=True)
    )
    return (2 * true + first + second) / 4
