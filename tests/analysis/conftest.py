"""Untrained networks for tests of analyses."""

from typing import Any

from torch import nn

from pokegan.compute.randomness import Streams
from pokegan.networks.factory import build_network

SHAPE = {"width": 4, "resolution": 32}
CONFIGS: dict[str, dict[str, Any]] = {
    "generator": {"kind": "Generator", "latent_dim": 8, **SHAPE},
    "discriminator": {"kind": "Discriminator", "spectral_norm": True, **SHAPE},
    "encoder": {"kind": "Encoder", "latent_dim": 8, **SHAPE},
}


def untrained(name: str, seed: int = 1, **changes: Any) -> nn.Module:
    """A network with initial weights; a generator's are larger, so that its images vary."""
    network = build_network({**CONFIGS[name], **changes}, Streams(seed), name)
    if name == "generator":
        for weights in network.parameters():
            weights.data.mul_(4)
    return network.eval()
