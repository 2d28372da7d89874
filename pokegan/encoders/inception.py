"""The Inception network of 2015-12-05 that FID, KID and the Inception Score are defined by.

torch-fidelity's port: the original weights, and TensorFlow 1's own bilinear resize to 299²,
half-pixel shift included (Heusel et al. 2017; Szegedy et al. 2016).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

from pokegan.core.published_weights import Published

WEIGHTS = Published(
    name="inception",
    url="https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/"
    "weights-inception-2015-12-05-6726825d.pth",
    sha256="6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
    size=95_628_359,
)


class Encoder:
    """Pooled features (N, 2048) and the logits without bias (N, 1008) of the original score.

    Raises:
        PipelineError: the published weights are not there, or are others.
    """

    name = "inception"
    sha256 = WEIGHTS.sha256
    side = 299

    def __init__(self, device: torch.device) -> None:
        self.network = FeatureExtractorInceptionV3(
            "inception-v3-compat",
            ["2048", "logits_unbiased"],
            feature_extractor_weights_path=str(WEIGHTS.find()),
        ).to(device, memory_format=torch.channels_last)

    def __call__(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Features and logits of PICTURES (N, H, W, 3) uint8."""
        features, logits = self.network(pictures.permute(0, 3, 1, 2))
        return features, logits
