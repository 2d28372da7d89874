"""DCGAN: a convolutional generator and discriminator (Radford et al. 2016, arXiv:1511.06434)."""

from torch import Tensor
from torch.nn.utils import parametrize

from pokegan.compute.randomness import Streams
from pokegan.core.schema import DcganParams
from pokegan.networks.factory import NetworkConfig, discriminator_config, generator_config
from pokegan.networks.sampling import sample_latents
from pokegan.training.gan import Gan
from pokegan.training.losses import Labels, measures, optimizer_step


class Dcgan(Gan):
    """A generator G and a discriminator D."""

    params: DcganParams

    def network_configs(self, resolution: int) -> dict[str, NetworkConfig]:
        """Return the configurations of G and D."""
        return {
            "generator": generator_config(self.params, resolution),
            "discriminator": discriminator_config(self.params, resolution),
        }

    def sample_inputs(self, count: int, streams: Streams) -> dict[str, Tensor]:
        """Sample latents, labels and augmentations for `count` images, on the CPU."""
        labels = Labels.of(self.params)
        return {
            "z": sample_latents(count, self.latent_dim, streams["latents"]),
            "real_label": labels.sample(count, streams, real=True),
            "fake_label": labels.sample(count, streams, real=False),
            **self.augmentation.sample(("real", "fakes", "fakes_for_generator"), count, streams),
        }

    def step(self, real: Tensor, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """Update D, then G (Goodfellow et al. 2014, algorithm 1 with k = 1).

        Measures: both losses, means of D(x) and D(G(z)) before the update, both gradient norms.
        """
        generator, discriminator = self.networks.values()
        augment = self.augmentation
        fakes = generator(inputs["z"])

        with parametrize.cached():  # one power iteration of spectral norm per update
            real_logits = discriminator(augment(real, inputs, "real"))
            fake_logits = discriminator(augment(fakes.detach(), inputs, "fakes"))
        labels = inputs["real_label"], inputs["fake_label"]
        discriminator_loss = self.discriminator_loss(real_logits, fake_logits, labels)
        discriminator_gradient = optimizer_step(
            self.optimizers["discriminator"], discriminator_loss
        )

        logits = discriminator(augment(fakes, inputs, "fakes_for_generator"))
        generator_loss = self.generator_loss(
            logits, lambda: discriminator(augment(real, inputs, "real"))
        )
        generator_gradient = optimizer_step(self.optimizers["generator"], generator_loss)

        return measures(
            (discriminator_loss, generator_loss),
            (real_logits, fake_logits),
            (discriminator_gradient, generator_gradient),
        )
