"""Shared parts of the commands: parameters, access to trained models, output files."""

from __future__ import annotations

import atexit
import re
import shutil
import socket
from collections.abc import Sequence
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any

import click

from pokegan.core.errors import PipelineError
from pokegan.core.files import atomic_write

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import nn

HOST = "127.0.0.1"
# Kinds of output by suffix.
FOLDER, SHEET, ANIMATIONS = "", ".png", (".webp", ".gif")
# A URI (at least two letters before the colon: C:/ is a drive) or the id of a logged model.
MLFLOW_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+:/|m-[0-9a-f]{32}$")

PATH = click.Path(path_type=Path)
COUNT = click.IntRange(min=1)

model_argument = click.argument("model")
output_argument = click.argument("output", type=PATH)
seed_option = click.option(
    "--seed", type=click.IntRange(0, 2**63 - 1), default=1, help="Seed of all random numbers.",
)  # fmt: skip
step_option = click.option(
    "--step", type=click.IntRange(min=0),
    help="Use the snapshot of the generator at this training step.  [default: the last]",
)  # fmt: skip
truncation_option = click.option(
    "--truncation", type=click.FloatRange(min=0, min_open=True),
    help="Resample the components of a latent outside of ± this value. The smaller the value, the "
    "less the images vary.  [default: off]",
)  # fmt: skip
scale_option = click.option(
    "--scale",
    type=click.IntRange(1, 16),
    default=2,
    help="Enlarge each pixel to a square of this size.",
)


def model_folder(model: str) -> Path:
    """Return the folder with the networks and the config.json of a trained model.

    The model is that folder, or one in MLflow: ``models:/NAME@ALIAS``, ``models:/NAME/VERSION``,
    ``runs:/RUN/PATH`` or the id of a logged model, ``m-…``, whose files are copied to a temporary
    folder until the process ends. Raises a PipelineError if there is none.
    """
    if Path(model).is_dir() or not MLFLOW_ADDRESS.match(model):
        if not Path(model, "config.json").is_file():
            raise PipelineError(
                f"{model} is not a trained model: it has no config.json; pass a folder that "
                "training wrote (dvc repro, dvc pull) or a model in MLflow (models:/NAME@ALIAS)."
            )
        return Path(model)
    found = [file.parent for file in _download(model).rglob("config.json")]
    if len(found) != 1:
        names = ", ".join(sorted(folder.name for folder in found)) or "none"
        raise PipelineError(f"{model} must hold exactly one trained model, but it holds {names}.")
    return found[0]


def _download(address: str) -> Path:
    from pokegan.tracking.store import connect, first_line, import_mlflow

    mlflow = import_mlflow()
    folder = mkdtemp(prefix="pokegan-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    try:
        connect()  # sets the tracking URI
        uri = f"models:/{address}" if address.startswith("m-") else address
        return Path(mlflow.artifacts.download_artifacts(uri, dst_path=folder))
    except Exception as error:  # every kind of store raises its own
        raise PipelineError(
            f"{address} cannot be downloaded from MLflow ({first_line(error).rstrip('.')}); check "
            "the address and MLFLOW_TRACKING_URI."
        ) from error


def list_snapshots(folder: Path, config: dict[str, Any]) -> list[dict[str, Any]]:
    """Return step and epoch of each snapshot of a model; a model in MLflow may lack some."""
    from pokegan.networks.weights import SNAPSHOTS

    saved = {file.stem for file in (folder / SNAPSHOTS).glob("*.safetensors")}
    return [each for each in config["snapshots"] if str(each["step"]) in saved]


def load_generator_at(
    folder: Path, device: torch.device, step: int | None = None
) -> tuple[nn.Module, dict[str, Any]]:
    """Load a model's generator, or its snapshot at a training step, and config.json.

    Raises a PipelineError if the folder is not a trained model or has no such snapshot.
    """
    from pokegan.networks.weights import load_generator, load_network, read_config

    if step is None:
        generator, config = load_generator(folder)
    else:
        config = read_config(folder)
        steps = [each["step"] for each in list_snapshots(folder, config)]
        if step not in steps:
            listed = ", ".join(map(str, steps)) or "none"
            raise PipelineError(f"{folder} has no snapshot of step {step}; there are: {listed}.")
        generator = load_network(folder, "generator", step)
    return generator.to(device), config


def check_output(output: Path, *kinds: str) -> None:
    """Raise a PipelineError unless the suffix is one of `kinds` and a folder is new or empty."""
    try:
        is_folder = output.is_dir()
    except OSError as error:  # too long a name
        raise PipelineError(f"{output} cannot be written ({error.strerror}).") from error
    if FOLDER in kinds and (is_folder or not output.suffix):
        if output.is_file() or (is_folder and any(output.iterdir())):
            raise PipelineError(f"{output} is not an empty folder; pass a new one.")
    elif is_folder or output.suffix.lower() not in kinds:
        known = ", ".join(kind or "none (a new folder)" for kind in kinds)
        raise PipelineError(f"OUTPUT is {output}, but its suffix must be one of: {known}.")


def check_port(port: int) -> None:
    """Raise a PipelineError if a server of this machine listens on a port."""
    if is_open(port):
        raise PipelineError(f"Port {port} is in use; pass another one with --port.")


def is_open(port: int) -> bool:
    """Return whether a server listens on a port of this machine."""
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


def save_sheet(
    output: Path,
    images: np.ndarray,
    columns: int,
    scale: int = 1,
    captions: Sequence[str] | None = None,
) -> None:
    """Write images (N, H, W, 3) uint8, enlarged and captioned, as one PNG."""
    from pokegan.core.grids import grid, to_image
    from pokegan.report.animation import captioned

    images = enlarge(images, scale)
    if captions is not None:
        images = captioned(images, captions)
    with atomic_write(output) as temporary:
        to_image(grid(images, min(columns, len(images)))).save(temporary, format="PNG")


def enlarge(images: np.ndarray, scale: int) -> np.ndarray:
    """Repeat each pixel of images (N, H, W, 3) as a square of scale × scale."""
    return images.repeat(scale, axis=1).repeat(scale, axis=2)
