"""DINOv2 ViT-L/14 (Oquab et al. 2023), self-supervised: the encoder of FD-DINOv2.

Stein et al. 2023 (arXiv:2306.04675) find that distances in its features agree with people's
judgement better than FID's. It knows no classes.
"""

from __future__ import annotations

from typing import Any

import timm
import torch
from torch import Tensor
from torch.nn import functional
from torchvision.transforms.v2.functional import normalize

from pokegan.core.published_weights import Published

WEIGHTS = Published(
    name="dinov2",
    url="https://dl.fbaipublicfiles.com/dinov2/dinov2_vitl14/dinov2_vitl14_pretrain.pth",
    sha256="d5383ea8f4877b2472eb973e0fd72d557c7da5d3611bd527ceeb1d7162cbf428",
    size=1_217_586_395,
)
PATCH = 14
# ImageNet's, which the network was trained with.
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Encoder:
    """The class token after the last norm: features (N, 1024), no logits (N, 0).

    Raises:
        PipelineError: the published weights are not there, or are others.
    """

    name = "dinov2"
    sha256 = WEIGHTS.sha256
    side = 224

    def __init__(self, device: torch.device) -> None:
        file = WEIGHTS.find()
        stored: dict[str, Tensor] = torch.load(file, map_location="cpu", weights_only=True)
        self.network: Any = timm.create_model(
            "vit_large_patch14_dinov2", pretrained=False, num_classes=0, img_size=self.side
        )
        stored.pop("mask_token")  # for training only
        stored["pos_embed"] = resampled_positions(stored["pos_embed"], self.side // PATCH)
        self.network.load_state_dict(stored)
        self.network.eval().requires_grad_(False).to(device)

    def __call__(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Features of PICTURES (N, H, W, 3) uint8."""
        features = self.network(self.normalised(pictures))
        return features, features[:, :0]

    def normalised(self, pictures: Tensor) -> Tensor:
        """uint8 (N, H, W, 3) → (N, 3, 224, 224): bicubic, to 8 bits again, ImageNet's mean."""
        scaled = functional.interpolate(
            pictures.permute(0, 3, 1, 2).float(),
            size=(self.side, self.side),
            mode="bicubic",
            antialias=True,
        )
        scaled = scaled.clamp_(0, 255).round_().div_(255)
        normalised: Tensor = normalize(scaled, list(MEAN), list(DEVIATION), inplace=True)
        return normalised


def resampled_positions(positions: Tensor, side: int) -> Tensor:
    """POSITIONS (1, 1 + S², D) of the class token and S² patches → (1, 1 + SIDE², D).

    As the network's authors resample them: bicubic, by a factor that is a tenth of a patch too
    large, which shifts each position a little.
    """
    token, patches = positions[:, :1], positions[:, 1:]
    stored = int(patches.shape[1] ** 0.5)
    grid = patches.reshape(1, stored, stored, -1).permute(0, 3, 1, 2)
    factor = (side + 0.1) / stored
    resized = functional.interpolate(grid, scale_factor=(factor, factor), mode="bicubic")
    return torch.cat([token, resized.permute(0, 2, 3, 1).flatten(1, 2)], dim=1)
