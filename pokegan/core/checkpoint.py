"""Checkpoints, from which an interrupted training resumes.

A checkpoint is no output of the pipeline. It is stored in .work/<stage>/<fingerprint>/ below the
root of the repository, in every workspace of DVC, and removed when the stage succeeds. The
fingerprint covers everything that decides the result.
"""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from filelock import FileLock, Timeout

from pokegan.core.errors import PipelineError
from pokegan.core.files import atomic_write, remove_remains
from pokegan.core.provenance import root

if TYPE_CHECKING:
    import numpy as np

FORMAT = 2  # of the file; what the state holds is decided by code that the fingerprint covers
CODE = Path(__file__).resolve().parents[2]
INDECISIVE = ("core", "tracking", "cli")  # packages that decide no result


def fingerprint(images: np.ndarray, config: Mapping[str, Any]) -> str:
    """Return a hash of the images, the imported code, and what else decides the result."""
    import numpy as np

    digest = blake2b(np.ascontiguousarray(images).data, digest_size=16)
    facts = {**config, "format": FORMAT, "code": _imported_code(), "shape": images.shape}
    digest.update(json.dumps(facts, sort_keys=True, default=str).encode())
    return digest.hexdigest()


def _imported_code() -> dict[str, str]:
    """Return path → hash of the imported files in stages/ and in the decisive packages."""
    files = {getattr(module, "__file__", None) for module in list(sys.modules.values())}
    hashes = {}
    for file in (Path(each).resolve() for each in files if each):
        package, *rest = file.relative_to(CODE).parts if file.is_relative_to(CODE) else ("",)
        if package == "stages" or (package == "pokegan" and rest[0] not in INDECISIVE):
            hashes["/".join((package, *rest))] = blake2b(file.read_bytes()).hexdigest()
    return hashes


class Checkpoint:
    """The saved state of a training. After `open`, only this process uses it."""

    def __init__(self, stage: str, fingerprint: str) -> None:
        self.path = root() / ".work" / stage / fingerprint / "state.pt"
        self._stage = stage
        self._lock = FileLock(self.path.with_name("lock"))

    def open(self) -> dict[str, Any] | None:
        """Lock the checkpoint, and return its state with tensors on the CPU, or None without one.

        A damaged file is renamed, with a warning. Raises a PipelineError if another process runs
        the same training, or the folder is not writable.
        """
        import torch

        folder = self.path.parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock.acquire(timeout=0)
            remove_remains(self.path)
        except Timeout as error:
            raise PipelineError(
                f"{self._lock.lock_file} is locked: another process runs {self._stage} with the "
                "same parameters; wait until it ends, or stop it."
            ) from error
        except OSError as error:
            raise PipelineError(
                f"{folder} cannot be used ({error}); make it a folder that can be written and "
                "locked."
            ) from error
        if not self.path.exists():
            return None
        with self.path.open("rb") as file:
            checksum, payload = file.read(blake2b.MAX_DIGEST_SIZE), io.BytesIO(file.read())
        if checksum != blake2b(payload.getbuffer()).digest():
            damaged = self.path.replace(self.path.with_name(f"{self.path.name}.damaged"))
            click.echo(
                f"Warning: {self.path} is damaged; it was renamed to {damaged.name}, and the "
                "training starts from the beginning.",
                err=True,
            )
            return None
        state: dict[str, Any] = torch.load(payload, map_location="cpu", weights_only=True)
        return state

    def save(self, state: Mapping[str, Any]) -> bool:
        """Replace the saved state atomically.

        If the disk is full, print a warning, keep the previous state and return False.
        """
        import torch

        buffer = io.BytesIO()
        torch.save(dict(state), buffer)
        payload = buffer.getbuffer()
        try:
            with atomic_write(self.path) as temporary, temporary.open("wb") as file:
                file.write(blake2b(payload).digest())
                file.write(payload)
                file.flush()
                os.fsync(file.fileno())
        except (PipelineError, OSError) as error:
            click.echo(f"Warning: {error} The previous checkpoint remains.", err=True)
            return False
        return True

    def remove(self) -> None:
        """Delete the state after a successful training; a damaged one remains."""
        self.path.unlink(missing_ok=True)
        Path(self._lock.lock_file).unlink(missing_ok=True)
        self._lock.release()
        if not any(self.path.parent.iterdir()):
            self.path.parent.rmdir()
