"""AEGAN: two autoencoders, of images and of latents (Lazarou 2020, arXiv:2004.05472)."""

from typing import ClassVar

from torch import Tensor
from torch.nn import functional
from torch.nn.utils import parametrize

from pokegan.compute.randomness import Streams
from pokegan.core.schema import AeganParams
from pokegan.networks.factory import NetworkConfig, discriminator_config, generator_config
from pokegan.networks.sampling import sample_latents
from pokegan.training.gan import Gan
from pokegan.training.losses import (
    Labels,
    fake_loss,
    generator_loss,
    measures,
    optimizer_step,
    real_loss,
)

# Batches of Dx: x, G(z) and G(E(x)). Batches of Dz: z, E(x) and E(G(z)).
D_BATCHES = ("real", "fakes", "recon")
# Fake batches of Dx in the update of G and E.
G_BATCHES = ("fakes_for_generator", "recon_for_generator")


class Aegan(Gan):
    """A generator G, an encoder E, and discriminators of images (Dx) and of latents (Dz)."""

    params: AeganParams
    optimized: ClassVar = {
        "generator": ("generator", "encoder"),
        "discriminator": ("discriminator", "latent_discriminator"),
    }

    def network_configs(self, resolution: int) -> dict[str, NetworkConfig]:
        """Return the configurations of G, E, Dx and Dz."""
        params = self.params
        return {
            "generator": generator_config(params, resolution),
            "encoder": {
                "kind": "DenseEncoder" if params.architecture == "mlp" else "Encoder",
                "latent_dim": params.latent_dim,
                "width": params.width,
                "resolution": resolution,
                "normalization": params.normalization_encoder,
            },
            "discriminator": discriminator_config(params, resolution),
            "latent_discriminator": {"kind": "LatentDiscriminator", "latent_dim": self.latent_dim},
        }

    def sample_inputs(self, count: int, streams: Streams) -> dict[str, Tensor]:
        """Sample latents, labels and augmentations for `count` images, on the CPU."""
        own = Labels.of(self.params)
        labels = {
            f"{domain}_{batch}_label": own.sample(count, streams, real=batch == "real")
            for domain in ("image", "latent")
            for batch in D_BATCHES
        }
        return {
            "z": sample_latents(count, self.latent_dim, streams["latents"]),
            **labels,
            **self.augmentation.sample((*D_BATCHES, *G_BATCHES), count, streams),
        }

    def step(self, real: Tensor, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """Update Dx and Dz, then G and E (Lazarou 2020, section 3).

        Measures: losses, means of Dx(x) and Dx(G(z)) before the update, gradient norms, and the
        errors of G(E(x)) (mean absolute) and E(G(z)) (mean squared).
        """
        generator, encoder, discriminator, latent_discriminator = self.networks.values()
        params, augment, z = self.params, self.augmentation, inputs["z"]
        fakes, encoded = generator(z), encoder(real)
        x_recon, z_recon = generator(encoded), encoder(fakes)

        with parametrize.cached():  # one power iteration of spectral norm per update
            images = zip((real, fakes.detach(), x_recon.detach()), D_BATCHES, strict=True)
            x_logits = [discriminator(augment(x, inputs, batch)) for x, batch in images]
        z_logits = [latent_discriminator(each.detach()) for each in (z, encoded, z_recon)]
        image_loss = self.weighted_loss(x_logits, inputs, "image")
        latent_loss = self.weighted_loss(z_logits, inputs, "latent")
        discriminator_gradient = optimizer_step(
            self.optimizers["discriminator"], image_loss + latent_loss
        )

        x_error = functional.l1_loss(x_recon.float(), real)
        z_error = functional.mse_loss(z_recon.float(), z)
        with parametrize.cached():
            images = zip((fakes, x_recon), G_BATCHES, strict=True)
            x_fooling = [discriminator(augment(x, inputs, batch)) for x, batch in images]
        z_fooling = [latent_discriminator(each) for each in (encoded, z_recon)]
        loss = (
            params.picture_adversarial * sum(generator_loss(params.loss, x) for x in x_fooling)
            + params.latent_adversarial * sum(generator_loss(params.loss, z) for z in z_fooling)
            + params.picture_reconstruction * x_error
            + params.latent_reconstruction * z_error
        )
        generator_gradient = optimizer_step(self.optimizers["generator"], loss)

        return {
            **measures(
                (image_loss, loss), x_logits[:2], (discriminator_gradient, generator_gradient)
            ),
            "latent_discriminator_loss": latent_loss.detach(),
            "picture_error": x_error.detach(),
            "latent_error": z_error.detach(),
        }

    def weighted_loss(self, logits: list[Tensor], inputs: dict[str, Tensor], domain: str) -> Tensor:
        """Return the loss of Dx or Dz for the logits (N,) of each of `D_BATCHES`.

        Real samples have the same weight as both kinds of fakes together.
        """
        losses = (real_loss, fake_loss, fake_loss)
        real, fakes, recon = (
            loss(self.params.loss, each, inputs[f"{domain}_{batch}_label"])
            for loss, each, batch in zip(losses, logits, D_BATCHES, strict=True)
        )
        total = (2 * real + fakes + recon) / 4
        if self.params.lecam and domain == "image":
            total = total + self.params.lecam * self.lecam(logits[0], logits[1])
        return total
