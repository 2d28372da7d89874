"""Weights that their authors publish, and that no package brings.

Nothing is fetched behind anybody's back: `python -m pokegan.cli.fetch NAME` does it when told to.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from pokegan.core.errors import PipelineError
from pokegan.core.provenance import root


@dataclass(frozen=True)
class Published:
    """A file of weights: where it is published, what it must be, and who names another place."""

    name: str
    url: str
    sha256: str
    size: int

    @property
    def variable(self) -> str:
        """The environment variable that names a copy somewhere else."""
        return f"POKEGAN_{self.name.upper()}_WEIGHTS"

    @property
    def named(self) -> Path | None:
        """The copy that the environment names, if it does."""
        name = os.environ.get(self.variable)
        return root() / Path(name).expanduser() if name else None

    @property
    def kept(self) -> Path:
        """Where `fetch` keeps it, whichever of DVC's workspaces asks."""
        return root() / ".weights" / self.url.rpartition("/")[2]

    def find(self) -> Path:
        """The file, checked.

        Raises:
            PipelineError: it is not there, cannot be read, or is another.
        """
        file = self.named or self.kept
        cure = (
            f"correct or unset {self.variable}."
            if self.named
            else f"fetch it with `make {self.name}` ({self.size / 1e6:.0f} MB from {self.url}), "
            f"or name a copy by {self.variable}."
        )
        try:
            with file.open("rb") as content:
                found = hashlib.file_digest(content, "sha256").hexdigest()
        except FileNotFoundError as fault:
            raise PipelineError(
                f"{file} is not there: the encoder {self.name} needs its published weights; {cure}"
            ) from fault
        except OSError as fault:
            raise PipelineError(f"{file} cannot be read ({fault.strerror}); {cure}") from fault
        if found != self.sha256:
            raise PipelineError(
                f"{file} has the sha256 {found[:16]}…, but {self.sha256[:16]}… is published; {cure}"
            )
        return file
