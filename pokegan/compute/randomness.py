"""Named, seeded streams of random numbers: turning one knob does not reshuffle another's draws."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
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
            self._generators[name] = torch.Generator().manual_seed(self.seed(name))
        return self._generators[name]

    def seed(self, name: str) -> int:
        """The seed of the stream NAME, below 2**63."""
        return int.from_bytes(sha256(f"{self._seed}/{name}".encode()).digest()[:8], "big") >> 1

    @contextmanager
    def as_global_rng(self, name: str) -> Iterator[None]:
        """Let torch's global generator on the CPU begin as the stream NAME, then be as before.

        For library calls that take no generator of their own.
        """
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(self.seed(name))
            yield

    def state_dict(self) -> dict[str, torch.Tensor]:
        """Where each stream stands that has been used."""
        return {name: generator.get_state() for name, generator in self._generators.items()}

    def load_state_dict(self, states: dict[str, torch.Tensor]) -> None:
        """Go on where STATES stood."""
        for name, state in states.items():
            self[name].set_state(state)
