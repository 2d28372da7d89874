"""Weights that their authors publish: files for download, and files inside Python packages.

Only `pokegan fetch` downloads. The packages are not imported.
"""

import hashlib
import os
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from pokegan.core.errors import PipelineError
from pokegan.core.provenance import root


@dataclass(frozen=True)
class PublishedWeights:
    """A published file of weights, with its checksum and size in bytes."""

    name: str
    url: str
    sha256: str
    size: int

    @property
    def variable(self) -> str:
        """Name of the environment variable that selects another copy."""
        return f"POKEGAN_{self.name.upper()}_WEIGHTS"

    @property
    def override(self) -> Path | None:
        """Path in the environment variable, if it is set."""
        value = os.environ.get(self.variable)
        return root() / Path(value).expanduser() if value else None

    @property
    def default(self) -> Path:
        """Path that `pokegan fetch` writes, also from DVC's temporary workspaces."""
        return root() / ".weights" / self.url.rpartition("/")[2]

    def find(self) -> Path:
        """Return the path of the weights, or raise a PipelineError if they are missing or wrong."""
        file = self.override or self.default
        hint = (
            f"correct or unset {self.variable}."
            if self.override
            else f"download it with `make {self.name}` ({self.size / 1e6:.0f} MB from {self.url}), "
            f"or set {self.variable} to a copy."
        )
        return verified(file, self.sha256, hint)


def packaged(package: str, file: str, sha256: str) -> Path:
    """Return a file of weights inside an installed package.

    Raises:
        PipelineError: the package is not installed, or its file was changed.
    """
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise PipelineError(f"The package {package} is not installed; run `make clean-env env`.")
    path = Path(spec.origin).parent / file
    return verified(path, sha256, "reinstall it with `make clean-env env`.")


def verified(file: Path, sha256: str, hint: str) -> Path:
    """Return a file of weights, or raise a PipelineError if it is missing or has another sha256."""
    try:
        with file.open("rb") as content:
            found = hashlib.file_digest(content, "sha256").hexdigest()
    except OSError as error:
        raise PipelineError(
            f"The weights {file} cannot be read ({error.strerror}); {hint}"
        ) from error
    if found != sha256:
        raise PipelineError(
            f"{file} has the sha256 {found[:16]}…, but {sha256[:16]}… is expected; {hint}"
        )
    return file
