"""A trained model on disk: one safetensors file a network, the configuration beside them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import nn

from stages.errors import PipelineError
from stages.gan.networks import Generator

CONFIGURATION = "config.json"


def save_networks(
    folder: Path, networks: dict[str, nn.Module], configuration: dict[str, Any]
) -> None:
    """Write NETWORKS and the CONFIGURATION that rebuilds them into the new FOLDER."""
    folder.mkdir()
    for name, network in networks.items():
        weights = {key: value.cpu().contiguous() for key, value in network.state_dict().items()}
        (folder / f"{name}.safetensors").write_bytes(save(weights))
    text = json.dumps(configuration, indent=2) + "\n"
    (folder / CONFIGURATION).write_text(text, encoding="utf-8")


def load_generator(folder: Path) -> tuple[Generator, dict[str, Any]]:
    """The generator in FOLDER, on the CPU in evaluation mode, and its configuration.

    Raises:
        PipelineError: FOLDER is no trained model, or its weights are broken or not finite.
    """
    cure = "train it again (dvc repro) or fetch it (dvc pull)."
    try:
        configuration = json.loads((folder / CONFIGURATION).read_text(encoding="utf-8"))
        generator = Generator(
            configuration["latent_dim"], configuration["width"], configuration["resolution"]
        )
        generator.load_state_dict(load_file(folder / "generator.safetensors"))
    except FileNotFoundError as fault:
        raise PipelineError(
            f"{folder} is no trained model: {fault.filename} is missing; {cure}"
        ) from fault
    except (ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as fault:
        raise PipelineError(f"{folder}: the model cannot be read ({fault}); {cure}") from fault
    for name, weights in generator.state_dict().items():
        if not torch.isfinite(weights).all():
            raise PipelineError(f"{folder}: the generator's {name} holds NaN or infinity; {cure}")
    return generator.eval(), configuration
