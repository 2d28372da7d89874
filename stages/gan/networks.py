"""The networks: generator, discriminator, encoder, latent discriminator.

Pictures are float tensors (N, 3, R, R) in [-1, 1]; latents are (N, latent_dim), drawn from
N(0, 1). Discriminators return logits (N,): the sigmoid is part of the loss.
"""

from __future__ import annotations

from itertools import pairwise
from math import log2

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

KERNEL = 4
LEAK = 0.2


def channels(width: int, resolution: int) -> list[int]:
    """Channels of the hidden layers, from the picture inwards, down to a 4×4 map.

    Doubled with each halving of the picture, at most 8 × WIDTH (Radford et al. 2016, fig. 1):
    at 64 pixels and width 64 they are 64, 128, 256, 512.
    """
    return [width * min(2**layer, 8) for layer in range(int(log2(resolution)) - 2)]


class Generator(nn.Module):
    """DCGAN's generator (Radford et al. 2016, section 3): transposed convolutions, kernel 4.

    latent → 512×4×4 → 256×8×8 → 128×16×16 → 64×32×32 → 3×64×64 at width 64, 64 pixels; batch
    norm and ReLU in between, tanh at the end.
    """

    def __init__(self, latent_dim: int, width: int, resolution: int) -> None:
        super().__init__()
        inwards = channels(width, resolution)
        outwards = inwards[::-1]
        layers: list[nn.Module] = [
            nn.ConvTranspose2d(latent_dim, outwards[0], KERNEL, bias=False),
            nn.BatchNorm2d(outwards[0]),
            nn.ReLU(inplace=True),
        ]
        for before, after in pairwise(outwards):
            layers += [
                nn.ConvTranspose2d(before, after, KERNEL, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(after),
                nn.ReLU(inplace=True),
            ]
        layers += [nn.ConvTranspose2d(outwards[-1], 3, KERNEL, stride=2, padding=1), nn.Tanh()]
        self.layers = nn.Sequential(*layers)

    def forward(self, z: Tensor) -> Tensor:
        """Latents (N, latent_dim) → pictures (N, 3, R, R) in [-1, 1]."""
        pictures: Tensor = self.layers(z[:, :, None, None])
        return pictures


def _convolutions(width: int, resolution: int) -> nn.Sequential:
    """Strided convolutions from a picture to a 4×4 map, batch norm, LeakyReLU 0.2.

    The layer at the picture has no batch norm (Radford et al. 2016, section 3): with it the
    discriminator cannot see how bright a picture is, and grounds turn grey.
    """
    inwards = channels(width, resolution)
    layers: list[nn.Module] = [
        nn.Conv2d(3, inwards[0], KERNEL, stride=2, padding=1),
        nn.LeakyReLU(LEAK, inplace=True),
    ]
    for before, after in pairwise(inwards):
        layers += [
            nn.Conv2d(before, after, KERNEL, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(after),
            nn.LeakyReLU(LEAK, inplace=True),
        ]
    return nn.Sequential(*layers)


class Discriminator(nn.Module):
    """DCGAN's discriminator: 3 → 64 → 128 → 256 → 512 → 1 at width 64 and 64 pixels."""

    def __init__(self, width: int, resolution: int) -> None:
        super().__init__()
        self.features = _convolutions(width, resolution)
        self.logit = nn.Conv2d(channels(width, resolution)[-1], 1, KERNEL)

    def forward(self, pictures: Tensor) -> Tensor:
        """Pictures (N, 3, R, R) → logits (N,): positive means "true"."""
        logits: Tensor = self.logit(self.features(pictures))
        return logits.flatten()


class Encoder(nn.Module):
    """AEGAN's encoder: the discriminator's convolutions, then dense 512 → 256 → 128 → latent."""

    def __init__(self, latent_dim: int, width: int, resolution: int) -> None:
        super().__init__()
        self.features = _convolutions(width, resolution)
        self.dense = _dense([channels(width, resolution)[-1] * 16, 512, 256, 128, latent_dim])

    def forward(self, pictures: Tensor) -> Tensor:
        """Pictures (N, 3, R, R) → latents (N, latent_dim)."""
        z: Tensor = self.dense(self.features(pictures).flatten(start_dim=1))
        return z


class LatentDiscriminator(nn.Module):
    """AEGAN's discriminator of latents: dense 32 → 64 → 128 → 256 → 1."""

    def __init__(self, latent_dim: int) -> None:
        super().__init__()
        self.dense = _dense([latent_dim, 32, 64, 128, 256, 1])

    def forward(self, z: Tensor) -> Tensor:
        """Latents (N, latent_dim) → logits (N,)."""
        logits: Tensor = self.dense(z)
        return logits.flatten()


def _dense(sizes: list[int]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for before, after in pairwise(sizes):
        layers += [nn.Linear(before, after), nn.LeakyReLU(LEAK, inplace=True)]
    return nn.Sequential(*layers[:-1])


def initialise(network: nn.Module) -> None:
    """Weights as in Radford et al. 2016, section 4: convolutions from N(0, 0.02).

    Batch norm's scale comes from N(1, 0.02). Dense layers keep torch's own start: at a
    standard deviation of 0.02 the signal of five narrow layers would vanish. Draws come from
    torch's global generator, which the caller has seeded.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(module.weight, 0.0, 0.02)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1.0, 0.02)


def normalise_spectrally(network: nn.Module) -> None:
    """Spectral norm on every convolution (Miyato et al. 2018, algorithm 1), in place."""
    for module in list(network.modules()):
        if isinstance(module, nn.Conv2d):
            spectral_norm(module)


def count_parameters(network: nn.Module) -> int:
    """How many weights of NETWORK are trained."""
    return sum(weights.numel() for weights in network.parameters() if weights.requires_grad)


@torch.no_grad()
def draw_pictures(generator: nn.Module, z: Tensor, batch_size: int = 64) -> Tensor:
    """Pictures of latents Z (N, latent_dim) as uint8 (N, R, R, 3), on the CPU.

    The generator draws in evaluation mode (batch norm's running statistics), in fp32, and is
    left in the mode that it was in.
    """
    was_training = generator.training
    generator.eval()
    device = next(generator.parameters()).device
    batches = [to_bytes(generator(part.to(device))).cpu() for part in z.split(batch_size)]
    generator.train(was_training)
    return torch.cat(batches)


def to_bytes(pictures: Tensor) -> Tensor:
    """Pictures (N, 3, R, R) in [-1, 1] → uint8 (N, R, R, 3), rounded to the nearest value."""
    scaled = pictures.float().add(1).mul(127.5).round().clamp(0, 255)
    return scaled.to(torch.uint8).permute(0, 2, 3, 1)


def from_bytes(pictures: Tensor) -> Tensor:
    """Pictures uint8 (N, R, R, 3) → channels-last float (N, 3, R, R) in [-1, 1]."""
    return pictures.permute(0, 3, 1, 2).float().div(127.5).sub(1)
