"""Small untrained GANs of every family, in memory and on disk."""

from importlib import import_module
from pathlib import Path
from typing import Any

import torch

from pokegan.compute.randomness import Streams
from pokegan.core.params import read_params
from pokegan.networks.weights import save_networks
from tests.conftest import NETWORKS, ROOT, tiny_network

IMAGES = torch.randint(
    256, (8, 32, 32, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
)
# One network per family.
NAMES = sorted({network.gan: name for name, network in NETWORKS.items()}.values())


def make_gan(
    name: str,
    lr: float = 0.0002,
    streams: Streams | None = None,
    prepare: bool = False,
    **changes: Any,
) -> Any:
    """Build a GAN for images of 32 pixels with tiny networks and some changed parameters."""
    params = read_params(name, file=ROOT / "params.yaml")[name]
    params = params.model_copy(update={**tiny_network(name), **changes})
    family = NETWORKS[name].gan
    create = getattr(import_module(f"pokegan.gans.{family}"), family.capitalize())
    gan = create(params, lr, 32, streams or Streams(0))
    if prepare:
        gan.prepare(torch.device("cpu"), IMAGES)
    return gan


def save_model(folder: Path, name: str = "dcgan819", seed: int = 1) -> Path:
    """Save an untrained model with vivid colors; its snapshot at step 2 generates plain gray."""
    gan = make_gan(name, streams=Streams(seed))
    with torch.no_grad():
        for weights in gan.generator.parameters():
            weights.mul_(4)
    weights = gan.generator.state_dict()
    blank = {key: torch.zeros_like(value) for key, value in weights.items()}
    facts = {"latent_dim": 8, "resolution": 32}
    snapshots = [(2, 0.5, blank), (4, 1.0, weights)]
    save_networks(folder, gan.networks, gan.configs, facts, snapshots)
    return folder
