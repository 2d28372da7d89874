"""Named random streams: a change in the use of one does not affect the others."""

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256

import torch


class Streams:
    """Random generators on the CPU by name, each seeded by the seed and its name."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._generators: dict[str, torch.Generator] = {}

    def __getitem__(self, name: str) -> torch.Generator:
        if name not in self._generators:
            self._generators[name] = torch.Generator().manual_seed(self.seed(name))
        return self._generators[name]

    def seed(self, name: str) -> int:
        """Return the seed of a stream, in [0, 2**63)."""
        return int.from_bytes(sha256(f"{self._seed}/{name}".encode()).digest()[:8], "big") >> 1

    @contextmanager
    def as_global_rng(self, name: str) -> Iterator[None]:
        """Seed torch's global CPU generator like a stream; restore its state afterwards."""
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(self.seed(name))
            yield

    def state_dict(self) -> dict[str, torch.Tensor]:
        """Return the state of each stream that has been used."""
        return {name: generator.get_state() for name, generator in self._generators.items()}

    def load_state_dict(self, states: dict[str, torch.Tensor]) -> None:
        """Restore the states of streams."""
        for name, state in states.items():
            self[name].set_state(state)
