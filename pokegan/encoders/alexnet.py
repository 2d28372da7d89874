"""AlexNet (Krizhevsky et al. 2012), trained on ImageNet, and the heads of LPIPS.

LPIPS is a perceptual distance (Zhang et al. 2018). This is the shift-tolerant variant (Ghildyal and
Liu 2022), which blurs before it reduces the resolution. It works on images of 64 × 64 pixels. Its
weights are part of the Python package stlpips_pytorch.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from pokegan.compute.device import autocast
from pokegan.core.published_weights import packaged

PACKAGE, FILE = "stlpips_pytorch", "weights/vST0.0/alex_shift_tolerant.pth"
SHA256 = "b356b382f96010f77d085ee8343ecd9fd322d0a56e8de2b2d0549fafcad8b9ee"


class Blur(nn.Module):
    """Halve the resolution of maps (N, C, H, W) with a binomial filter."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.pad = nn.ReflectionPad2d(2)
        self.kernel = nn.Buffer(torch.empty(channels, 1, 3, 3))

    def forward(self, x: Tensor) -> Tensor:
        """Return maps of half the height and width."""
        # Autocast would compute the padding in fp32, and convert large maps twice.
        with torch.autocast(x.device.type, enabled=False):
            padded = self.pad(x)
        return functional.conv2d(padded, self.kernel, stride=2, groups=x.shape[1])


class Encoder(nn.Module):
    """Pooled features of five layers (N, 1152), without logits, and vectors for LPIPS.

    Args:
        device: where to compute.
        lpips_precision: "fp32" or "bf16", of the convolutions for LPIPS; features are always fp32.
            In bf16, distances between images of Pokémon change by 0.2 % on average and 2 % at most.

    Raises:
        PipelineError: the package with the weights is not installed, or its file was changed.
    """

    name = "alexnet"
    sha256 = SHA256
    side = 64

    def __init__(self, device: torch.device, lpips_precision: str = "fp32") -> None:
        super().__init__()
        self._precision = lpips_precision
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
        file = packaged(PACKAGE, FILE, SHA256)
        weights: dict[str, Tensor] = torch.load(file, map_location="cpu", weights_only=True)
        # The file lists the same tensors in the same order, under other names.
        names = [name for name in weights if name.startswith("net.")]
        own = self.state_dict()
        self.load_state_dict({key: weights[name] for key, name in zip(own, names, strict=True)})
        heads = (weights[f"lin{n}.model.1.weight"] for n in range(len(self.layers)))
        self.heads = nn.ParameterList(heads)
        self.shift = nn.Buffer(weights["scaling_layer.shift"])
        self.scale = nn.Buffer(weights["scaling_layer.scale"])
        self.eval().requires_grad_(False).to(device).to(memory_format=torch.channels_last)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return features, the mean of each map, and empty logits of images, uint8 (N, H, W, 3)."""
        features = torch.cat([each.mean(dim=(2, 3)) for each in self.maps(images)], dim=1)
        return features, features[:, :0]

    def maps(self, images: Tensor) -> list[Tensor]:
        """Return the maps of each layer, (N, C, H', W')."""
        x = images.permute(0, 3, 1, 2).float()
        if x.shape[2:] != (self.side, self.side):
            size = (self.side, self.side)
            x = functional.interpolate(x, size, mode="bilinear", antialias=True)
        x = (x / 127.5 - 1 - self.shift) / self.scale
        maps = []
        for layer in self.layers:
            x = layer(x)
            maps.append(x)
        return maps

    def lpips_vectors(self, images: Tensor) -> Tensor:
        """Return vectors (N, D) whose squared Euclidean distance is the LPIPS of two images.

        They have the precision of the convolutions.
        """
        dtype = torch.bfloat16 if self._precision == "bf16" else torch.float32
        vectors = []
        with autocast(self._precision, images.device):
            maps = self.maps(images)
        for x, head in zip(maps, self.heads, strict=True):
            weights = head / x[0, 0].numel()
            unit = functional.normalize(x, dim=1, eps=1e-10) * weights.sqrt()
            vectors.append(unit.permute(0, 2, 3, 1).flatten(1).to(dtype))
        return torch.cat(vectors, dim=1)
