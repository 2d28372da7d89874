"""LPIPS, a perceptual distance between two images (Zhang et al. 2018).

The network is AlexNet in its shift-tolerant variant (Ghildyal and Liu 2022). Its weights are part
of the Python package stlpips_pytorch. The package itself is not imported.
"""

from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from pokegan.core.errors import PipelineError
from pokegan.core.published_weights import verified

SHA256 = "b356b382f96010f77d085ee8343ecd9fd322d0a56e8de2b2d0549fafcad8b9ee"
FILE = "weights/vST0.0/alex_shift_tolerant.pth"
# Larger images are reduced to this many pixels per side.
MAX_SIDE = 64
BATCH_SIZE = 32


class Blur(nn.Module):
    """Halve the resolution of maps (N, C, H, W) with a binomial filter."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.pad = nn.ReflectionPad2d(2)
        self.kernel = nn.Buffer(torch.empty(channels, 1, 3, 3))

    def forward(self, x: Tensor) -> Tensor:
        """Return maps of half the height and width."""
        return functional.conv2d(self.pad(x), self.kernel, stride=2, groups=x.shape[1])


class Lpips(nn.Module):
    """Map images to vectors whose squared Euclidean distance is their LPIPS.

    Raises:
        PipelineError: the package with the weights is not installed, or its file was changed.
    """

    def __init__(self) -> None:
        super().__init__()
        pool = nn.MaxPool2d(3, stride=1)
        self.layers = nn.ModuleList(
            nn.Sequential(*layer, nn.ReLU())
            for layer in (
                (nn.Conv2d(3, 64, 11, padding=2), Blur(64)),
                (pool, Blur(64), nn.Conv2d(64, 192, 5, padding=2)),
                (pool, Blur(192), nn.Conv2d(192, 384, 3, padding=1)),
                (nn.Conv2d(384, 256, 3, padding=1),),
                (nn.Conv2d(256, 256, 3, padding=1),),
            )
        )
        weights = _read_weights()
        # The file lists the same tensors in the same order, under other names.
        names = [name for name in weights if name.startswith("net.")]
        own = self.state_dict()
        self.load_state_dict({key: weights[name] for key, name in zip(own, names, strict=True)})
        heads = (weights[f"lin{n}.model.1.weight"] for n in range(len(self.layers)))
        self.heads = nn.ParameterList(heads)
        self.shift = nn.Buffer(weights["scaling_layer.shift"])
        self.scale = nn.Buffer(weights["scaling_layer.scale"])
        self.eval().requires_grad_(False).to(memory_format=torch.channels_last)

    def forward(self, images: Tensor) -> Tensor:
        """Map images, uint8 (N, R, R, 3), to vectors, float32 (N, D)."""
        x = images.permute(0, 3, 1, 2).float()
        if x.shape[-1] > MAX_SIDE:
            size = (MAX_SIDE, MAX_SIDE)
            x = functional.interpolate(x, size, mode="bilinear", antialias=True)
        x = (x / 127.5 - 1 - self.shift) / self.scale
        vectors = []
        for layer, head in zip(self.layers, self.heads, strict=True):
            x = layer(x)
            weights = head / x[0, 0].numel()
            unit = functional.normalize(x, dim=1, eps=1e-10) * weights.sqrt()
            vectors.append(unit.permute(0, 2, 3, 1).flatten(1))
        return torch.cat(vectors, dim=1)


def _read_weights() -> dict[str, Tensor]:
    package = find_spec("stlpips_pytorch")
    if package is None or package.origin is None:
        raise PipelineError(
            "The package stlpips_pytorch is not installed; run `make clean-env env`."
        )
    file = verified(
        Path(package.origin).parent / FILE, SHA256, "reinstall it with `make clean-env env`."
    )
    weights: dict[str, Tensor] = torch.load(file, map_location="cpu", weights_only=True)
    return weights


@torch.inference_mode()
def lpips_distances(
    queries: np.ndarray,
    images: np.ndarray,
    device: torch.device,
    progress: Callable[[int], object] = lambda done: None,
) -> np.ndarray:
    """Return LPIPS between each query (N, R, R, 3) and each image (M, R, R, 3): float32 (N, M).

    The smaller of two distances counts: that of a query and that of its mirror image.
    `progress` is called with the number of images of each finished batch.
    """
    lpips = Lpips().to(device)
    rows = [_vectors(lpips, each, device) for each in (queries, queries[:, :, ::-1])]
    both = torch.cat([batch for batches in rows for batch in batches])
    lengths = both.square().sum(dim=1, keepdim=True)
    columns = []
    for batch in _vectors(lpips, images, device):
        distances = lengths + batch.square().sum(dim=1) - 2 * (both @ batch.T)
        # Rounding leaves equal images a distance near 0, which can be negative.
        nearer = torch.minimum(*distances.clamp_min_(0).chunk(2))
        columns.append(nearer.cpu())
        progress(len(batch))
    return torch.cat(columns, dim=1).numpy()


def _vectors(lpips: Lpips, images: np.ndarray, device: torch.device) -> Iterator[Tensor]:
    """Yield the vectors of each batch."""
    for start in range(0, len(images), BATCH_SIZE):
        batch = images[start : start + BATCH_SIZE].copy()
        yield lpips(torch.from_numpy(batch).to(device))
