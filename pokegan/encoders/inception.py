"""The Inception network of 2015-12-05, which defines FID, KID and the Inception Score.

torch-fidelity's port, with the original weights and TensorFlow 1's bilinear resize to 299×299
(Szegedy et al. 2016; Heusel et al. 2017).
"""

import torch
from torch import Tensor
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

from pokegan.core.published_weights import PublishedWeights

WEIGHTS = PublishedWeights(
    name="inception",
    url="https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/"
    "weights-inception-2015-12-05-6726825d.pth",
    sha256="6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
    size=95_628_359,
)


class Encoder:
    """Pooled features (N, 2048) and logits without bias (N, 1008)."""

    name = "inception"
    sha256 = WEIGHTS.sha256
    side = 299

    def __init__(self, device: torch.device) -> None:
        self.network = FeatureExtractorInceptionV3(
            "inception-v3-compat",
            ["2048", "logits_unbiased"],
            feature_extractor_weights_path=str(WEIGHTS.find()),
        ).to(device, memory_format=torch.channels_last)

    def __call__(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return features and logits of images, uint8 (N, H, W, 3)."""
        features, logits = self.network(images.permute(0, 3, 1, 2))
        return features, logits
