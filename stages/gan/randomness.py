"""Named, seeded streams of random numbers: turning one knob does not reshuffle another's draws."""

from __future__ import annotations

from hashlib import sha256

import torch


class Streams:
    """Generators on the CPU, one a name, each seeded by the seed and its name.

    Draws are made on the CPU and moved, so that they are the same on every device.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._generators: dict[str, torch.Generator] = {}

    def __getitem__(self, name: str) -> torch.Generator:
        if name not in self._generators:
            digest = sha256(f"{self._seed}/{name}".encode()).digest()
            generator = torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)
            self._generators[name] = generator
        return self._generators[name]


def latents(count: int, latent_dim: int, stream: torch.Generator) -> torch.Tensor:
    """COUNT latents from N(0, 1): (COUNT, latent_dim), float32, on the CPU."""
    return torch.randn(count, latent_dim, generator=stream)
