"""The networks: generator, discriminator, encoder, latent discriminator.

Pictures are float tensors (N, 3, R, R) in [-1, 1]; latents are (N, latent_dim), drawn from
N(0, 1). Discriminators return logits (N,): the sigmoid is part of the loss.

Networks of convolutions take three knobs: NORMALIZATION after each hidden layer ("batch",
"instance", "layer" or "none"), DROPOUT (share of channels, 0 to 1, after each hidden layer) and
HEAD, how the 4×4 maps are joined to a vector ("convolution", or "dense" in its place).
"""

from __future__ import annotations

from itertools import pairwise
from math import log2

from torch import Tensor, nn

from pokegan.compute.distributed import BatchNorm

KERNEL = 4
NEGATIVE_SLOPE = 0.2
BASE_SIZE = 4


def channels(width: int, resolution: int) -> list[int]:
    """Channels of the hidden layers, from the picture inwards, down to a 4×4 map.

    Doubled with each halving of the picture, at most 8 × WIDTH (Radford et al. 2016, fig. 1):
    at 64 pixels and width 64 they are 64, 128, 256, 512.
    """
    return [width * min(2**layer, 8) for layer in range(int(log2(resolution)) - 2)]


class Generator(nn.Module):
    """DCGAN's generator (Radford et al. 2016, section 3).

    latent → 512×4×4 → 256×8×8 → 128×16×16 → 64×32×32 → 3×64×64 at width 64, 64 pixels;
    normalization and ReLU in between, tanh at the end. UPSAMPLING "transposed" doubles a map by
    a transposed convolution with kernel 4; "nearest" and "bilinear" enlarge it first and convolve
    with kernel 3 then, which paints no chequer (Odena et al. 2016).
    """

    def __init__(
        self,
        latent_dim: int,
        width: int,
        resolution: int,
        upsampling: str = "transposed",
        head: str = "convolution",
        normalization: str = "batch",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        channels_up = channels(width, resolution)[::-1]
        bias = normalization == "none"
        layers: list[nn.Module] = [
            *(
                (
                    nn.Linear(latent_dim, channels_up[0] * BASE_SIZE**2, bias=bias),
                    nn.Unflatten(1, (channels_up[0], BASE_SIZE, BASE_SIZE)),
                )
                if head == "dense"
                else (
                    nn.Unflatten(1, (latent_dim, 1, 1)),
                    nn.ConvTranspose2d(latent_dim, channels_up[0], KERNEL, bias=bias),
                )
            ),
            *_activated(nn.ReLU(inplace=True), channels_up[0], normalization, dropout),
        ]
        for before, after in pairwise(channels_up):
            layers += _doubled(before, after, upsampling, bias)
            layers += _activated(nn.ReLU(inplace=True), after, normalization, dropout)
        layers += [*_doubled(channels_up[-1], 3, upsampling, bias=True), nn.Tanh()]
        self.layers = nn.Sequential(*layers)

    def forward(self, z: Tensor) -> Tensor:
        """Latents (N, latent_dim) → pictures (N, 3, R, R) in [-1, 1]."""
        pictures: Tensor = self.layers(z)
        return pictures


def _doubled(before: int, after: int, upsampling: str, bias: bool) -> list[nn.Module]:
    if upsampling == "transposed":
        return [nn.ConvTranspose2d(before, after, KERNEL, stride=2, padding=1, bias=bias)]
    return [
        nn.Upsample(scale_factor=2, mode=upsampling),
        nn.Conv2d(before, after, 3, padding=1, bias=bias),
    ]


def _activated(
    activation: nn.Module, channels: int, normalization: str, dropout: float, maps: bool = True
) -> list[nn.Module]:
    """What follows a hidden layer of CHANNELS: normalization, ACTIVATION, dropout."""
    norms: dict[str, list[nn.Module]] = {
        "batch": [BatchNorm(channels)],
        "instance": [nn.GroupNorm(channels, channels)],
        "layer": [nn.GroupNorm(1, channels)],
        "none": [],
    }
    dropout_layer = nn.Dropout2d if maps else nn.Dropout
    return [*norms[normalization], activation, *([dropout_layer(dropout)] if dropout else [])]


def _convolutions(width: int, resolution: int, normalization: str, dropout: float) -> nn.Sequential:
    """Strided convolutions from a picture to a 4×4 map, LeakyReLU 0.2.

    The layer at the picture is not normalised (Radford et al. 2016, section 3): with batch norm
    there the discriminator cannot see how bright a picture is, and grounds turn grey.
    """
    inwards = channels(width, resolution)
    layers: list[nn.Module] = []
    for before, after in pairwise([3, *inwards]):
        here = "none" if before == 3 else normalization
        bias = here == "none"
        layers += [
            nn.Conv2d(before, after, KERNEL, stride=2, padding=1, bias=bias),
            *_activated(nn.LeakyReLU(NEGATIVE_SLOPE, inplace=True), after, here, dropout),
        ]
    return nn.Sequential(*layers)


class Discriminator(nn.Module):
    """DCGAN's discriminator: 3 → 64 → 128 → 256 → 512 → 1 at width 64 and 64 pixels."""

    def __init__(
        self,
        width: int,
        resolution: int,
        head: str = "convolution",
        normalization: str = "batch",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        last = channels(width, resolution)[-1]
        self.features = _convolutions(width, resolution, normalization, dropout)
        self.logit = (
            nn.Sequential(nn.Flatten(), nn.Linear(last * BASE_SIZE**2, 1))
            if head == "dense"
            else nn.Conv2d(last, 1, KERNEL)
        )

    def forward(self, pictures: Tensor) -> Tensor:
        """Pictures (N, 3, R, R) → logits (N,): positive means "true"."""
        logits: Tensor = self.logit(self.features(pictures))
        return logits.flatten()


class Encoder(nn.Module):
    """AEGAN's encoder: the discriminator's convolutions, then dense 512 → 256 → 128 → latent."""

    def __init__(
        self, latent_dim: int, width: int, resolution: int, normalization: str = "batch"
    ) -> None:
        super().__init__()
        last = channels(width, resolution)[-1]
        self.features = _convolutions(width, resolution, normalization, dropout=0.0)
        self.dense = _dense([last * BASE_SIZE**2, 512, 256, 128, latent_dim])

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


class DenseGenerator(nn.Module):
    """The first GAN's kind of generator (Goodfellow et al. 2014): a multi-layer perceptron.

    latent → 256 → 512 → 1024 → 3·R·R at width 64; normalization and ReLU in between, then tanh.
    """

    def __init__(
        self,
        latent_dim: int,
        width: int,
        resolution: int,
        normalization: str = "batch",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        hidden = [4 * width, 8 * width, 16 * width]
        self.dense = nn.Sequential(
            *_perceptron([latent_dim, *hidden], nn.ReLU(inplace=True), normalization, dropout),
            nn.Linear(hidden[-1], 3 * resolution**2),
            nn.Tanh(),
            nn.Unflatten(1, (3, resolution, resolution)),
        )

    def forward(self, z: Tensor) -> Tensor:
        """Latents (N, latent_dim) → pictures (N, 3, R, R) in [-1, 1]."""
        pictures: Tensor = self.dense(z)
        return pictures


class DenseDiscriminator(nn.Module):
    """A perceptron from a picture: 3·R·R → 1024 → 512 → 256 → 1 at width 64, LeakyReLU 0.2."""

    def __init__(
        self, width: int, resolution: int, normalization: str = "batch", dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.dense = _inwards(width, resolution, normalization, dropout, outputs=1)

    def forward(self, pictures: Tensor) -> Tensor:
        """Pictures (N, 3, R, R) → logits (N,): positive means "true"."""
        logits: Tensor = self.dense(pictures)
        return logits.flatten()


class DenseEncoder(nn.Module):
    """The perceptron of the discriminator, with a latent at its end."""

    def __init__(
        self, latent_dim: int, width: int, resolution: int, normalization: str = "batch"
    ) -> None:
        super().__init__()
        self.dense = _inwards(width, resolution, normalization, 0.0, outputs=latent_dim)

    def forward(self, pictures: Tensor) -> Tensor:
        """Pictures (N, 3, R, R) → latents (N, latent_dim)."""
        z: Tensor = self.dense(pictures)
        return z


def _inwards(
    width: int, resolution: int, normalization: str, dropout: float, outputs: int
) -> nn.Sequential:
    activation = nn.LeakyReLU(NEGATIVE_SLOPE, inplace=True)
    first = [3 * resolution**2, 16 * width]
    return nn.Sequential(
        nn.Flatten(),
        *_perceptron(first, activation, "none", dropout),
        *_perceptron([16 * width, 8 * width, 4 * width], activation, normalization, dropout),
        nn.Linear(4 * width, outputs),
    )


def _perceptron(
    sizes: list[int], activation: nn.Module, normalization: str, dropout: float
) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for before, after in pairwise(sizes):
        layers.append(nn.Linear(before, after, bias=normalization == "none"))
        layers += _activated(activation, after, normalization, dropout, maps=False)
    return layers


def _dense(sizes: list[int]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for before, after in pairwise(sizes):
        layers += [nn.Linear(before, after), nn.LeakyReLU(NEGATIVE_SLOPE, inplace=True)]
    return nn.Sequential(*layers[:-1])


def count_parameters(network: nn.Module) -> int:
    """How many weights of NETWORK are trained."""
    return sum(weights.numel() for weights in network.parameters() if weights.requires_grad)
