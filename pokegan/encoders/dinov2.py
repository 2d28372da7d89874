"""DINOv2 ViT-L/14 (Oquab et al. 2023), a self-supervised network without classes.

Distances between its features agree with human ratings better than FID (Stein et al. 2023,
arXiv:2306.04675).
"""

from typing import Any

import timm
import torch
from torch import Tensor
from torch.nn import functional
from torchvision.transforms.v2.functional import normalize

from pokegan.core.published_weights import PublishedWeights

WEIGHTS = PublishedWeights(
    name="dinov2",
    url="https://dl.fbaipublicfiles.com/dinov2/dinov2_vitl14/dinov2_vitl14_pretrain.pth",
    sha256="d5383ea8f4877b2472eb973e0fd72d557c7da5d3611bd527ceeb1d7162cbf428",
    size=1_217_586_395,
)
PATCH_SIZE = 14
# Of ImageNet.
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Encoder:
    """Class token after the last norm as features (N, 1024), no logits (N, 0)."""

    name = "dinov2"
    sha256 = WEIGHTS.sha256
    side = 224

    def __init__(self, device: torch.device) -> None:
        weights: dict[str, Tensor] = torch.load(
            WEIGHTS.find(), map_location="cpu", weights_only=True
        )
        weights.pop("mask_token")  # for training only
        weights["pos_embed"] = resample_positions(weights["pos_embed"], self.side // PATCH_SIZE)
        self.network: Any = timm.create_model(
            "vit_large_patch14_dinov2", pretrained=False, num_classes=0, img_size=self.side
        )
        self.network.load_state_dict(weights)
        self.network.eval().requires_grad_(False).to(device)

    def __call__(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return features of images, uint8 (N, H, W, 3), and empty logits."""
        features = self.network(self.normalize(images))
        return features, features[:, :0]

    def normalize(self, images: Tensor) -> Tensor:
        """Resize images, uint8 (N, H, W, 3), to 8 bits again and normalize: (N, 3, 224, 224)."""
        resized = functional.interpolate(
            images.permute(0, 3, 1, 2).float(),
            size=(self.side, self.side),
            mode="bicubic",
            antialias=True,
        )
        scaled = resized.clamp_(0, 255).round_().div_(255)
        normalized: Tensor = normalize(scaled, list(MEAN), list(STD), inplace=True)
        return normalized


def resample_positions(positions: Tensor, side: int) -> Tensor:
    """Resample position embeddings, (1, 1 + S², D) with the class token first, to 1 + side².

    Bicubic, with the scale factor (side + 0.1) / S of the original implementation, which shifts the
    positions slightly.
    """
    token, patches = positions[:, :1], positions[:, 1:]
    stored = int(patches.shape[1] ** 0.5)
    grid = patches.reshape(1, stored, stored, -1).permute(0, 3, 1, 2)
    factor = (side + 0.1) / stored
    resized = functional.interpolate(grid, scale_factor=(factor, factor), mode="bicubic")
    return torch.cat([token, resized.permute(0, 2, 3, 1).flatten(1, 2)], dim=1)
