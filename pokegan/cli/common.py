"""What the commands to play with trained networks share: model, latents, sheets.

Latents are float32 tensors (N, latent_dim) on the CPU, pictures uint8 arrays (N, R, R, 3).
"""

from __future__ import annotations

import atexit
import re
import shutil
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

FOLDER, SHEET = "", ".png"
VIDEO = ".mp4"
ANIMATIONS = (".webp", ".gif", VIDEO)
# What a suffix means.
KINDS = {
    FOLDER: "a new folder (no suffix)",
    SHEET: "a sheet (.png)",
    ".webp": "an animation (.webp)",
    ".gif": "an animation (.gif)",
    VIDEO: "a video (.mp4)",
}
LATEST = "latest"
# Two letters at least before the colon: C:/ is a drive.
ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+:/")
LOGGED_MODEL = re.compile(r"m-[0-9a-f]{32}")


def _step(ctx: click.Context, param: click.Parameter, value: str) -> int | None:
    if value == LATEST:
        return None
    if not value.isdecimal():
        raise click.BadParameter(f"{value!r} is neither the number of a step nor {LATEST!r}.")
    return int(value)


# Decorators of commands.
model_argument = click.argument("model")
output_argument = click.argument("output", type=click.Path(path_type=Path))
seed_option = click.option(
    "--seed", type=click.IntRange(0, 2**63 - 1), default=1, show_default=True
)
step_option = click.option(
    "--step",
    callback=_step,
    metavar="STEP",
    default=LATEST,
    show_default=True,
    help="Draw as the generator did after that step of its training.",
)
truncation_option = click.option(
    "--truncation",
    type=click.FloatRange(min=0, min_open=True),
    help="Draw the numbers of a latent that lie farther from 0 again until none does; the "
    "smaller, the more alike are the pictures.  [default: off]",
)
scale_option = click.option(
    "--scale",
    type=click.IntRange(1, 16),
    default=2,
    show_default=True,
    help="Show each pixel as a square of so many.",
)


def model_folder(where: str) -> Path:
    """The folder with the networks and config.json of the trained model WHERE.

    WHERE is that folder, or an address in MLflow: ``models:/NAME@ALIAS``, ``models:/NAME/VERSION``,
    ``runs:/RUN/PATH`` or a logged model's id, ``m-…``. What MLflow has is copied to a temporary
    folder that goes with the process.

    Raises:
        PipelineError: there is no model, or MLflow does not give it.
    """
    if Path(where).is_dir() or not (ADDRESS.match(where) or LOGGED_MODEL.fullmatch(where)):
        if not Path(where, "config.json").is_file():
            raise PipelineError(
                f"{where} is no trained model: it has no config.json; name a folder that a "
                "training wrote (dvc repro, dvc pull) or a model in MLflow (models:/NAME@ALIAS)."
            )
        return Path(where)
    found = [file.parent for file in _downloaded(where).rglob("config.json")]
    if len(found) != 1:
        held = ", ".join(sorted(folder.name for folder in found)) or "none"
        raise PipelineError(
            f"{where}: one trained model is needed there, but it holds {held}; "
            "lengthen the address, or name another."
        )
    return found[0]


def _downloaded(address: str) -> Path:
    from pokegan.tracking.store import import_mlflow, opened

    mlflow = import_mlflow()
    folder = mkdtemp(prefix="pokegan-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    try:
        with opened(mlflow):  # which tells MLflow where the store is
            pass
        uri = f"models:/{address}" if LOGGED_MODEL.fullmatch(address) else address
        return Path(mlflow.artifacts.download_artifacts(uri, dst_path=folder))
    except Exception as fault:  # each kind of store has faults of its own
        lines = str(fault).strip().splitlines() or [type(fault).__name__]
        raise PipelineError(
            f"{address} cannot be had from MLflow ({lines[0].rstrip('.')}); "
            "correct the address, or MLFLOW_TRACKING_URI."
        ) from fault


def load_drawing_generator(
    folder: Path, device: torch.device, step: int | None = None
) -> tuple[nn.Module, dict[str, Any]]:
    """The generator in FOLDER that draws, or its snapshot after STEP, on DEVICE; config.json.

    Raises:
        PipelineError: FOLDER is no trained model, is broken, or has no snapshot of STEP.
    """
    from pokegan.networks.weights import SNAPSHOTS, load_generator, load_network, read_config

    if step is None:
        generator, configuration = load_generator(folder)
        return generator.to(device), configuration
    configuration = read_config(folder)
    listed = sorted(each["step"] for each in configuration["snapshots"])
    steps = [each for each in listed if (folder / SNAPSHOTS / f"{each}.safetensors").is_file()]
    if step not in steps:
        before, after = [s for s in steps if s < step][-1:], [s for s in steps if s > step][:1]
        nearest = " and ".join(str(each) for each in before + after)
        there = f"the nearest is of {nearest}" if nearest else "it has none at all"
        raise PipelineError(
            f"{folder} has no snapshot of step {step}, {there}; --step {LATEST} is always there."
        )
    return load_network(folder, "generator", step).to(device), configuration


def enlarged(pictures: np.ndarray, scale: int) -> np.ndarray:
    """PICTURES (N, H, W, 3), each pixel as a square of SCALE × SCALE."""
    return pictures.repeat(scale, axis=1).repeat(scale, axis=2)


def short(value: float) -> float:
    """VALUE with six significant digits, which is more than any distance is worth."""
    return float(f"{value:.6g}")


def check_output(output: Path, *kinds: str) -> None:
    """Refuse OUTPUT unless its suffix is one of KINDS; FOLDER stands for a new or empty folder.

    Raises:
        PipelineError: it is none of them, a folder that holds files, a file for a folder, or below
            a file.
    """
    try:
        output.lstat()
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError as fault:  # a name that is too long, a folder that is closed
        raise PipelineError(
            f"{output} cannot be written ({fault.strerror}); correct OUTPUT."
        ) from fault
    if not next(each for each in output.absolute().parents if each.exists()).is_dir():
        raise PipelineError(
            f"{output} cannot be written: a part of its path is a file; correct it."
        )
    if FOLDER in kinds and (output.is_dir() or not output.suffix):
        if output.is_file():
            raise PipelineError(f"{output} is a file, but a folder is to be made; name another.")
        if output.is_dir() and (not output.name or any(output.iterdir())):
            raise PipelineError(f"{output} is a folder that is not empty; name a new one.")
        return
    if output.is_dir() or output.suffix.lower() not in kinds:
        known = ", ".join(KINDS[kind] for kind in kinds)
        raise PipelineError(f"{output} is none of what can be written: {known}; correct OUTPUT.")


def save_sheet(output: Path, pixels: np.ndarray) -> None:
    """Write PIXELS (H, W, 3) as the PNG OUTPUT."""
    from pokegan.core.grids import to_image

    with atomic_write(output) as temporary:
        to_image(pixels).save(temporary, format="PNG")
