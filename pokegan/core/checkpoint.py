"""The state of a training that is under way, so that it can be stopped and gone on with.

It is no output: it lives in .work/<stage>/<fingerprint>/ below the repository's root, whichever
of DVC's workspaces the stage runs in, and goes when the stage succeeds. The fingerprint names
all that decides the result, so that a training finds its own state and no other.
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
from pokegan.core.files import atomic_write
from pokegan.core.provenance import root

if TYPE_CHECKING:
    import numpy as np

FORMAT = 1
STATE = "state.pt"
# Where the code stands that decides what a training computes, beside this file.
HERE = Path(__file__).parent
DECISIVE = {HERE / "train.py", HERE / "datasets.py", HERE / "story.py"}


def fingerprint(pictures: np.ndarray, facts: Mapping[str, Any]) -> str:
    """32 hexadecimal digits of PICTURES, FACTS and the code that has been imported to train."""
    import numpy as np

    digest = blake2b(np.ascontiguousarray(pictures).data, digest_size=16)
    imported = {Path(getattr(m, "__file__", None) or "") for m in list(sys.modules.values())}
    code = {
        path.name: blake2b(path.read_bytes()).hexdigest()
        for path in imported
        if path in DECISIVE or path.is_relative_to(HERE / "gan")
    }
    told = {**facts, "code": code, "shape": pictures.shape}
    digest.update(json.dumps(told, sort_keys=True, default=str).encode())
    return digest.hexdigest()


class Checkpoint:
    """The state of the training of STAGE with FINGERPRINT.

    It belongs to one process at a time, from `open` on.
    """

    def __init__(self, stage: str, fingerprint: str) -> None:
        self.path = root() / ".work" / stage / fingerprint / STATE
        self._stage = stage
        self._lock = FileLock(self.path.with_name("lock"))

    def open(self) -> dict[str, Any] | None:
        """Take hold of it and load it.

        Raises:
            PipelineError: another process trains exactly this, or the place cannot be used.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._lock.acquire(timeout=0)
            # A process that was killed while it saved has left its own behind.
            for partial in self.path.parent.glob(f".{STATE}.*.partial"):
                partial.unlink()
        except Timeout as fault:
            raise PipelineError(
                f"{self._lock.lock_file} is held: another process runs {self._stage} with these "
                "very parameters; wait for it, or stop it."
            ) from fault
        except OSError as fault:
            raise PipelineError(
                f"{self.path.parent} cannot be used ({fault}); make it a folder that can be "
                "written and locked."
            ) from fault
        return self.load()

    def load(self) -> dict[str, Any] | None:
        """The state, its tensors on the CPU; None where there is none.

        One that is torn, or that another version wrote, is named, set aside and not used.
        """
        import torch

        if not self.path.exists():
            return None
        with self.path.open("rb") as file:
            first, payload = file.readline(), file.read()
        try:
            header = json.loads(first)
            if header["format"] != FORMAT:
                self._set_aside(f"is of format {header['format']}, not {FORMAT}")
                return None
            if header["blake2b"] != blake2b(payload).hexdigest():
                self._set_aside("is torn (its checksum is another)")
                return None
        except (ValueError, KeyError, TypeError):
            self._set_aside("is torn (it has no header)")
            return None
        state: dict[str, Any] = torch.load(
            io.BytesIO(payload), map_location="cpu", weights_only=True
        )
        return state

    def _set_aside(self, why: str) -> None:
        number = 1
        while (aside := self.path.with_name(f"{STATE}.refused{number}")).exists():
            number += 1
        self.path.rename(aside)
        click.echo(
            f"Warning: {self.path} {why}; it is kept as {aside.name} and the training begins anew.",
            err=True,
        )

    def save(self, state: Mapping[str, Any]) -> bool:
        """Put STATE in the place of the last one, whole or not at all; False if the disk refuses.

        A full disk stops no training: the last good state stays, with a warning.
        """
        import torch

        buffer = io.BytesIO()
        torch.save(dict(state), buffer)
        payload = buffer.getbuffer()
        header = {"format": FORMAT, "blake2b": blake2b(payload).hexdigest()}
        try:
            with atomic_write(self.path) as temporary, temporary.open("wb") as file:
                file.write(json.dumps(header).encode() + b"\n")
                file.write(payload)
                file.flush()
                os.fsync(file.fileno())
        except (PipelineError, OSError) as fault:
            click.echo(f"Warning: {fault} The last good state stays.", err=True)
            return False
        return True

    def remove(self) -> None:
        """The training has succeeded: its state goes, refused ones stay."""
        self.path.unlink(missing_ok=True)
        Path(self._lock.lock_file).unlink(missing_ok=True)
        self.release()
        if not any(self.path.parent.iterdir()):
            self.path.parent.rmdir()

    def release(self) -> None:
        """Let another process have it."""
        self._lock.release()
