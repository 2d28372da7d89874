"""Generators, discriminators and encoders.

Images are float tensors (N, 3, R, R) in [-1, 1]; latents are float tensors (N, latent_dim) from
N(0, 1). Discriminators return logits (N,), positive for "real"; the sigmoid is part of the loss.

Shared arguments: `width`, channels of the layer at the image; `resolution`, image side R in pixels;
`normalization` of hidden layers ("batch", "instance", "layer" or "none"); `dropout`, probability
that a channel of a hidden layer is zeroed; `head`, layer between the 4×4 maps and the latent or
logit ("convolution" or "dense").
"""

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from math import log2

from torch import Tensor, nn

from pokegan.compute.distributed import BatchNorm

KERNEL = 4
BASE_SIZE = 4
NEGATIVE_SLOPE = 0.2

relu = partial(nn.ReLU, inplace=True)
leaky_relu = partial(nn.LeakyReLU, NEGATIVE_SLOPE, inplace=True)


def channels(width: int, resolution: int) -> list[int]:
    """Return the channels of the hidden layers from the image to the 4×4 maps.

    64, 128, 256, 512 for width 64 and 64 pixels (Radford et al. 2016, figure 1).
    """
    return [width * min(2**layer, 8) for layer in range(int(log2(resolution)) - 2)]


class Generator(nn.Module):
    """DCGAN's generator (Radford et al. 2016, section 3).

    latent → 512×4×4 → 256×8×8 → 128×16×16 → 64×32×32 → 3×64×64 for width 64 and 64 pixels. With
    `upsampling` "nearest" or "bilinear", interpolation and a convolution replace the transposed
    convolutions, which avoids checkerboard artifacts (Odena et al. 2016).
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
        first = channels_up[0]
        bias = normalization == "none"
        layers: list[nn.Module] = [
            nn.Unflatten(1, (latent_dim, 1, 1)),
            nn.ConvTranspose2d(latent_dim, first, KERNEL, bias=bias),
        ]
        if head == "dense":
            layers = [
                nn.Linear(latent_dim, first * BASE_SIZE**2, bias=bias),
                nn.Unflatten(1, (first, BASE_SIZE, BASE_SIZE)),
            ]
        layers += _norm_act(first, relu, normalization, dropout)
        for inputs, outputs in pairwise(channels_up):
            layers += _upsample(inputs, outputs, upsampling, bias)
            layers += _norm_act(outputs, relu, normalization, dropout)
        layers += [*_upsample(channels_up[-1], 3, upsampling, bias=True), nn.Tanh()]
        self.layers = nn.Sequential(*layers)

    def forward(self, z: Tensor) -> Tensor:
        """Map latents (N, latent_dim) to images (N, 3, R, R)."""
        images: Tensor = self.layers(z)
        return images


class Discriminator(nn.Module):
    """DCGAN's discriminator: 3 → 64 → 128 → 256 → 512 → 1 for width 64 and 64 pixels."""

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
        self.features = _convolutional_features(width, resolution, normalization, dropout)
        self.logit = (
            nn.Sequential(nn.Flatten(), nn.Linear(last * BASE_SIZE**2, 1))
            if head == "dense"
            else nn.Conv2d(last, 1, KERNEL)
        )

    def forward(self, images: Tensor) -> Tensor:
        """Map images (N, 3, R, R) to logits (N,)."""
        logits: Tensor = self.logit(self.features(images))
        return logits.flatten()


class Encoder(nn.Module):
    """AEGAN's encoder: the discriminator's convolutions, then dense 512 → 256 → 128 → latent."""

    def __init__(
        self, latent_dim: int, width: int, resolution: int, normalization: str = "batch"
    ) -> None:
        super().__init__()
        last = channels(width, resolution)[-1]
        self.features = _convolutional_features(width, resolution, normalization, dropout=0.0)
        self.dense = nn.Sequential(
            *_dense_layers([last * BASE_SIZE**2, 512, 256, 128], leaky_relu),
            nn.Linear(128, latent_dim),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Map images (N, 3, R, R) to latents (N, latent_dim)."""
        z: Tensor = self.dense(self.features(images).flatten(start_dim=1))
        return z


class DenseNetwork(nn.Module):
    """A sequence of layers, most of them dense, with PyTorch's default initialization."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.dense = nn.Sequential(*layers)

    def forward(self, inputs: Tensor) -> Tensor:
        """Map latents or images to latents, images or logits."""
        outputs: Tensor = self.dense(inputs)
        return outputs


class LatentDiscriminator(DenseNetwork):
    """AEGAN's discriminator of latents: dense 32 → 64 → 128 → 256 → 1."""

    def __init__(self, latent_dim: int) -> None:
        hidden = _dense_layers([latent_dim, 32, 64, 128, 256], leaky_relu)
        super().__init__(*hidden, nn.Linear(256, 1), nn.Flatten(0))


class DenseGenerator(DenseNetwork):
    """A multilayer perceptron: latent → 256 → 512 → 1024 → 3·R·R for width 64."""

    def __init__(
        self,
        latent_dim: int,
        width: int,
        resolution: int,
        normalization: str = "batch",
        dropout: float = 0.0,
    ) -> None:
        sizes = [latent_dim, 4 * width, 8 * width, 16 * width]
        super().__init__(
            *_dense_layers(sizes, relu, normalization, dropout),
            nn.Linear(sizes[-1], 3 * resolution**2),
            nn.Tanh(),
            nn.Unflatten(1, (3, resolution, resolution)),
        )


class DenseDiscriminator(DenseNetwork):
    """A multilayer perceptron: 3·R·R → 1024 → 512 → 256 → 1 for width 64."""

    def __init__(
        self, width: int, resolution: int, normalization: str = "batch", dropout: float = 0.0
    ) -> None:
        features = _dense_features(width, resolution, normalization, dropout)
        super().__init__(*features, nn.Linear(4 * width, 1), nn.Flatten(0))


class DenseEncoder(DenseNetwork):
    """The perceptron of `DenseDiscriminator` with a latent in place of the logit."""

    def __init__(
        self, latent_dim: int, width: int, resolution: int, normalization: str = "batch"
    ) -> None:
        features = _dense_features(width, resolution, normalization, dropout=0.0)
        super().__init__(*features, nn.Linear(4 * width, latent_dim))


def count_parameters(network: nn.Module) -> int:
    """Return the number of trainable parameters."""
    return sum(each.numel() for each in network.parameters() if each.requires_grad)


def _norm_act(
    channels: int,
    activation: Callable[[], nn.Module],
    normalization: str,
    dropout: float,
    maps: bool = True,
) -> list[nn.Module]:
    """Normalization, activation and dropout of a hidden layer; `maps` for feature maps."""
    norms: dict[str, list[nn.Module]] = {
        "batch": [BatchNorm(channels)],
        "instance": [nn.GroupNorm(channels, channels)],
        "layer": [nn.GroupNorm(1, channels)],
        "none": [],
    }
    dropout_layer = nn.Dropout2d if maps else nn.Dropout
    return [*norms[normalization], activation(), *([dropout_layer(dropout)] if dropout else [])]


def _upsample(inputs: int, outputs: int, upsampling: str, bias: bool) -> list[nn.Module]:
    """Double the side of feature maps."""
    if upsampling == "transposed":
        return [nn.ConvTranspose2d(inputs, outputs, KERNEL, stride=2, padding=1, bias=bias)]
    return [
        nn.Upsample(scale_factor=2, mode=upsampling),
        nn.Conv2d(inputs, outputs, 3, padding=1, bias=bias),
    ]


def _convolutional_features(
    width: int, resolution: int, normalization: str, dropout: float
) -> nn.Sequential:
    """Strided convolutions with LeakyReLU from an image to 4×4 maps.

    The first layer is not normalized (Radford et al. 2016, section 3): batch norm there would hide
    the brightness of images from the discriminator, and backgrounds would turn grey.
    """
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise([3, *channels(width, resolution)]):
        norm = "none" if inputs == 3 else normalization
        layers += [
            nn.Conv2d(inputs, outputs, KERNEL, stride=2, padding=1, bias=norm == "none"),
            *_norm_act(outputs, leaky_relu, norm, dropout),
        ]
    return nn.Sequential(*layers)


def _dense_layers(
    sizes: list[int],
    activation: Callable[[], nn.Module],
    normalization: str = "none",
    dropout: float = 0.0,
) -> list[nn.Module]:
    """Hidden layers of a perceptron; the first of `sizes` is that of its input."""
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(sizes):
        layers.append(nn.Linear(inputs, outputs, bias=normalization == "none"))
        layers += _norm_act(outputs, activation, normalization, dropout, maps=False)
    return layers


def _dense_features(
    width: int, resolution: int, normalization: str, dropout: float
) -> list[nn.Module]:
    """Dense layers with LeakyReLU from an image; the first is not normalized."""
    return [
        nn.Flatten(),
        *_dense_layers([3 * resolution**2, 16 * width], leaky_relu, "none", dropout),
        *_dense_layers([16 * width, 8 * width, 4 * width], leaky_relu, normalization, dropout),
    ]
