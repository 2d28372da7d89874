"""A trained network that is asked for pictures again and again.

Latents are float32 tensors (N, latent_dim) on the CPU, pictures uint8 arrays (N, R, R, 3).
"""

from __future__ import annotations

from functools import cached_property, lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from pokegan.analysis.latent_space import Reconstruction, reconstructions, spherical_path
from pokegan.cli.common import load_drawing_generator
from pokegan.cli.playground.directions import principal_directions
from pokegan.cli.reconstruct import prepared
from pokegan.core.errors import PipelineError
from pokegan.networks.sampling import generate_images, seeded_latents
from pokegan.networks.weights import SNAPSHOTS, load_network


class StepResult(NamedTuple):
    """When a generator was kept; the last one is the trained network's own."""

    step: int | None  # None: the trained network, as everywhere
    name: str


class Trained:
    """The trained network in FOLDER, which a person calls NAME.

    Raises:
        PipelineError: it is broken.
    """

    def __init__(self, name: str, folder: Path, device: torch.device) -> None:
        self.name = name
        self._folder = folder
        self._device = device
        # All snapshots of a default training, so that a slider runs through them.
        self._generator = lru_cache(maxsize=16)(self._load_generator)
        _, configuration = load_drawing_generator(folder, device)
        self.latent_dim: int = configuration["latent_dim"]
        self.resolution: int = configuration["resolution"]
        self.encodes = "encoder" in configuration["networks"]
        there = [
            StepResult(each["step"], f"step {each['step']}, epoch {each['epoch']:.3g}")
            for each in configuration["snapshots"]
            if (folder / SNAPSHOTS / f"{each['step']}.safetensors").is_file()
        ]
        last = there[-1].name if there else "trained"
        self.moments = [*there[:-1], StepResult(None, last)]

    def _load_generator(self, step: int | None) -> nn.Module:
        return load_drawing_generator(self._folder, self._device, step)[0]

    @cached_property
    def _encoder(self) -> nn.Module:
        return load_network(self._folder, "encoder").to(self._device)

    @cached_property
    def _principal(self) -> tuple[Tensor, Tensor]:
        return principal_directions(self._load_generator(None), self.latent_dim)

    @property
    def directions(self) -> Tensor:
        """What moves the trained generator most, the strongest first: (latent_dim, latent_dim)."""
        return self._principal[0]

    @property
    def shares(self) -> list[float]:
        """What share of the first layer's variance each direction has."""
        return self._principal[1].tolist()

    def sample_latents(self, count: int, seed: int, truncation: float | None = None) -> Tensor:
        """The latents that pokegan.cli.sample draws with the same COUNT, SEED and TRUNCATION."""
        return seeded_latents(count, self.latent_dim, seed, truncation)

    def draw(self, z: Tensor, step: int | None = None) -> np.ndarray:
        """Pictures of latents Z, as the generator drew after STEP.

        Raises:
            PipelineError: there is no such snapshot any more.
        """
        return generate_images(self._generator(step), z).numpy()

    def between(self, first: Tensor, second: Tensor, share: float) -> Tensor:
        """The latent at SHARE of the spherical path from FIRST (0) to SECOND (1), (1, D) each."""
        return spherical_path(first[0], second[0], np.array([share]))

    def reconstruct(self, name: str, content: bytes, margin: float) -> Reconstruction:
        """The picture in a file's CONTENT, whose NAME tells its kind, encoded and drawn again.

        Raises:
            PipelineError: it is no picture or shows next to nothing, or there is no encoder.
        """
        with TemporaryDirectory() as folder:
            file = Path(folder, Path(name).name or "picture")
            file.write_bytes(content)
            try:
                original = prepared(file, self.resolution, margin)
            except PipelineError as fault:
                raise PipelineError(fault.message.replace(str(file), file.name)) from fault
        return reconstructions(self._generator(None), self._encoder, np.stack([original]))
