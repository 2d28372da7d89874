"""SqueezeNet 1.1 (Iandola et al. 2016), trained on ImageNet, as a frozen feature network.

Its weights are part of the Python package ndf. The package itself is not imported.
"""

import pickle
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy._core.multiarray import _reconstruct
from torch import Tensor, nn

from pokegan.core.published_weights import packaged

SHA256 = "f286bbf493e6389979ed3036f960f4404e0079acdb92156500df0d4a43d085f1"
FILE = "example_models/weights/squeezenet_weights.pkl"
MEAN = (103.939, 116.779, 123.68)  # of blue, green and red, in 0 to 255
# Layer → its index in torchvision's network, and its channels.
TAPS = {
    "conv1": (1, 64),
    "fire2": (3, 128),
    "fire3": (4, 128),
    "fire4": (6, 256),
    "fire5": (7, 256),
    "fire6": (9, 384),
    "fire7": (10, 384),
    "fire8": (11, 512),
    "fire9": (12, 512),
}


class SqueezeNet(nn.Module):
    """The layers up to the last tap, frozen, with arbitrary weights until `load_weights`.

    Args:
        taps: names of the layers whose features are returned.
    """

    def __init__(self, taps: Sequence[str]) -> None:
        from torchvision.models import squeezenet1_1  # takes a second; other networks need none

        super().__init__()
        self._taps = [TAPS[name][0] for name in taps]
        self.layers = squeezenet1_1().features[: max(self._taps) + 1].requires_grad_(False)
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1), persistent=False)
        self.mean: Tensor

    def forward(self, images: Tensor) -> list[Tensor]:
        """Map images (N, 3, H, W) in [-1, 1] to the features of each tap, (N, C, H', W')."""
        x = images.flip(1).add(1).mul(127.5) - self.mean
        features = []
        for index, layer in enumerate(self.layers):
            x = layer(x)
            if index in self._taps:
                # The activation behind the next convolution works in place, not this one's.
                features.append(x)
        return features

    def load_weights(self) -> None:
        """Load the published weights.

        Raises:
            PipelineError: the package is not installed, or its file was changed.
        """
        weights = _read_weights()
        layers = [each for each in self.layers.modules() if isinstance(each, nn.Conv2d)]
        kernels = (weights[name] for name in weights if name != "conv10")  # the classifier
        for layer, (kernel, bias) in zip(layers, kernels, strict=False):
            layer.weight.data.copy_(torch.from_numpy(kernel.transpose(3, 2, 0, 1).copy()))
            assert layer.bias is not None
            layer.bias.data.copy_(torch.from_numpy(bias))


def _read_weights() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Read kernels (H, W, in, out) and biases of all convolutions, in their order."""
    with packaged("ndf", FILE, SHA256).open("rb") as content:
        weights: dict[str, Any] = _ArrayUnpickler(content, encoding="latin1").load()
    return weights


class _ArrayUnpickler(pickle.Unpickler):
    """Unpickle NumPy arrays and nothing else: a pickle can name any function."""

    def find_class(self, module: str, name: str) -> Any:
        allowed = {"_reconstruct": _reconstruct, "ndarray": np.ndarray, "dtype": np.dtype}
        if module.partition(".")[0] != "numpy" or name not in allowed:
            raise pickle.UnpicklingError(f"{module}.{name} is not allowed")
        return allowed[name]
