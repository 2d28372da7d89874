"""The discriminator of a projected GAN (Sauer et al. 2021, arXiv:2111.01007)."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from pokegan.compute.distributed import BatchNorm
from pokegan.networks.architectures import leaky_relu
from pokegan.networks.squeezenet import TAPS, SqueezeNet

CALIBRATION_BATCH = 64


class ProjectedDiscriminator(nn.Module):
    """Small discriminators of features that a frozen network computes.

    The features of each tap are mixed over channels and over scales by fixed random 1×1
    convolutions (section 3.2). Only the discriminators in `heads` are trained, one per scale.

    Args:
        taps: layers of the feature network, from the finest to the coarsest maps.
        feature_resolution: side in pixels to which images are resized for the feature network.
        feature_channels: random channels at the finest scale, doubled with each further one.
        width: channels of the discriminators' first layer.
        normalization: "batch" or "none", of their hidden layers.
    """

    def __init__(
        self,
        taps: Sequence[str],
        feature_resolution: int,
        feature_channels: int,
        width: int,
        normalization: str = "batch",
    ) -> None:
        super().__init__()
        self._resolution = feature_resolution
        self.features = SqueezeNet(taps)
        mixed = [feature_channels * 2**scale for scale in range(len(taps))]
        self.projections_of_channels = nn.ModuleList(
            nn.Conv2d(TAPS[tap][1], outputs, 1) for tap, outputs in zip(taps, mixed, strict=True)
        ).requires_grad_(False)
        self.projections_of_scales = nn.ModuleList(
            nn.Conv2d(coarser, finer, 1) for finer, coarser in pairwise(mixed)
        ).requires_grad_(False)
        # Standard deviation of each tap's features of real images.
        self.register_buffer("deviations", torch.ones(len(taps)))
        self.deviations: Tensor
        self.heads = nn.ModuleList(
            _head(inputs, width, len(taps) - 1 - scale, normalization)
            for scale, inputs in enumerate(mixed)
        )

    def forward(self, images: Tensor) -> Tensor:
        """Map images (N, 3, R, R) to logits (N, L), those of all scales and positions."""
        return self.logits(self.project(images))

    def project(self, images: Tensor) -> list[Tensor]:
        """Return the projected features of each scale, (N, C, H, W), the finest first."""
        scaled = zip(self._features(images), self.deviations, strict=True)
        features = [
            mix(each / deviation)
            for mix, (each, deviation) in zip(self.projections_of_channels, scaled, strict=True)
        ]
        for scale in reversed(range(len(features) - 1)):
            coarser = self.projections_of_scales[scale](features[scale + 1])
            size = features[scale].shape[-2:]
            enlarged = functional.interpolate(coarser, size=size, mode="bilinear")
            features[scale] = features[scale] + enlarged
        return features

    def logits(self, features: Sequence[Tensor]) -> Tensor:
        """Map projected features to logits (N, L), in fp32."""
        maps = [head(each) for head, each in zip(self.heads, features, strict=True)]
        return torch.cat([each.flatten(1) for each in maps], dim=1).float()

    @torch.no_grad()
    def calibrate(self, images: Tensor) -> None:
        """Set the deviations to those of images (N, 3, R, R): the scales then weigh alike."""
        features = self._features(images[:CALIBRATION_BATCH])
        self.deviations.copy_(torch.stack([each.std() for each in features]))

    def _features(self, images: Tensor) -> list[Tensor]:
        if images.shape[-1] != self._resolution:
            size = (self._resolution, self._resolution)
            images = functional.interpolate(images, size=size, mode="bilinear")
        features: list[Tensor] = self.features(images.contiguous(memory_format=torch.channels_last))
        return features


def _head(inputs: int, width: int, halvings: int, normalization: str) -> nn.Sequential:
    """A discriminator of maps, which halves their side up to that of the coarsest scale."""
    bias = normalization == "none"
    layers: list[nn.Module] = []
    for layer in range(max(halvings, 1)):
        outputs = width if halvings and not layer else 2 * width
        convolution = (
            nn.Conv2d(inputs, outputs, 4, stride=2, padding=1, bias=bias)
            if halvings
            else nn.Conv2d(inputs, outputs, 3, padding=1, bias=bias)
        )
        norm = [BatchNorm(outputs)] if normalization == "batch" else []
        layers += [convolution, *norm, leaky_relu()]
        inputs = outputs
    return nn.Sequential(*layers, nn.Conv2d(inputs, 1, 3, padding=1))
