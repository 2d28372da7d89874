"""A trained network that stays in memory.

Latents are float32 tensors (N, latent_dim) on the CPU, images uint8 arrays (N, R, R, 3).
"""

from functools import cached_property, lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from pokegan.analysis.reconstruction import Reconstruction, reconstruct
from pokegan.cli.common import list_snapshots, load_generator_at
from pokegan.cli.playground.directions import principal_directions
from pokegan.cli.reconstruct import prepare_image
from pokegan.networks.sampling import generate_images
from pokegan.networks.weights import load_network


class Snapshot(NamedTuple):
    """A state of the generator during its training."""

    step: int | None  # None: the trained generator
    name: str


class TrainedNetwork:
    """The trained network in a folder; raises a PipelineError if it is broken."""

    def __init__(self, name: str, folder: Path, device: torch.device) -> None:
        self.name = name
        self._folder = folder
        self._device = device
        # Holds all snapshots of a default training, for the slider.
        self._generator = lru_cache(maxsize=16)(
            lambda step: load_generator_at(folder, device, step)[0]
        )
        _, config = load_generator_at(folder, device)
        self.latent_dim: int = config["latent_dim"]
        self.resolution: int = config["resolution"]
        self.has_encoder = "encoder" in config["networks"]
        listed = [
            Snapshot(each["step"], f"step {each['step']}, epoch {each['epoch']:.3g}")
            for each in list_snapshots(folder, config)
        ]
        # The last snapshot is the trained generator.
        self.snapshots = [*listed[:-1], Snapshot(None, listed[-1].name if listed else "trained")]

    @cached_property
    def _encoder(self) -> nn.Module:
        return load_network(self._folder, "encoder").to(self._device)

    @cached_property
    def principal(self) -> tuple[Tensor, Tensor]:
        """Principal directions of the trained generator and their shares."""
        return principal_directions(self._generator(None), self.latent_dim)

    def generate(self, z: Tensor, step: int | None = None) -> np.ndarray:
        """Generate images with the snapshot of a step."""
        return generate_images(self._generator(step), z).numpy()

    def reconstruct(self, name: str, content: bytes, margin: float) -> Reconstruction:
        """Encode and reconstruct the image in a file; raise a PipelineError if it is not one."""
        original = prepare_image(Path(name or "image"), self.resolution, margin, content)
        return reconstruct(self._generator(None), self._encoder, np.stack([original]))
