"""Small GANs of every family."""

from importlib import import_module
from typing import Any

import torch

from pokegan.compute.randomness import Streams
from pokegan.core.params import read_params
from tests.conftest import NETWORKS

# One network per family.
NAMES = sorted({network.gan: name for name, network in NETWORKS.items()}.values())


def make_gan(
    name: str,
    lr: float = 0.0002,
    streams: Streams | None = None,
    prepare: bool = False,
    **changes: Any,
) -> Any:
    """Build a GAN for images of 32 pixels from the tiny parameters, with changes."""
    section = read_params(name)[name].model_copy(update=changes)
    family = NETWORKS[name].gan
    create = getattr(import_module(f"pokegan.gans.{family}"), family.capitalize())
    gan = create(section, lr, 32, streams or Streams(0))
    if prepare:
        gan.prepare(torch.device("cpu"))
    return gan
