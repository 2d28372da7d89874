"""A trained model on disk: one safetensors file a network, what they are built from beside them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import nn

from stages.errors import PipelineError
from stages.gan.construction import Description, build

CONFIGURATION = "config.json"


def save_networks(
    folder: Path,
    networks: Mapping[str, nn.Module],
    descriptions: Mapping[str, Description],
    facts: Mapping[str, Any],
) -> None:
    """Write NETWORKS, the DESCRIPTIONS that rebuild them and FACTS into the new FOLDER."""
    folder.mkdir()
    for name, network in networks.items():
        weights = {key: value.cpu().contiguous() for key, value in network.state_dict().items()}
        (folder / f"{name}.safetensors").write_bytes(save(weights))
    configuration = {**facts, "networks": dict(descriptions)}
    text = json.dumps(configuration, indent=2) + "\n"
    (folder / CONFIGURATION).write_text(text, encoding="utf-8")


def load_network(folder: Path, name: str) -> nn.Module:
    """The network NAME ("generator", "discriminator", …) in FOLDER, on the CPU, for evaluation.

    Raises:
        PipelineError: FOLDER is no trained model, has no such network, or its weights are broken
            or not finite.
    """
    cure = "train it again (dvc repro) or fetch it (dvc pull)."
    try:
        descriptions = read_configuration(folder)["networks"]
        if name not in descriptions:
            raise PipelineError(
                f"{folder} has no network {name!r}; it holds {', '.join(descriptions)}."
            )
        network = build(descriptions[name])
        network.load_state_dict(load_file(folder / f"{name}.safetensors"))
    except FileNotFoundError as fault:
        raise PipelineError(
            f"{folder} is no trained model: {fault.filename} is missing; {cure}"
        ) from fault
    except (ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as fault:
        raise PipelineError(f"{folder}: the model cannot be read ({fault}); {cure}") from fault
    for key, weights in network.state_dict().items():
        if not torch.isfinite(weights).all():
            raise PipelineError(f"{folder}: the {name}'s {key} holds NaN or infinity; {cure}")
    return network.eval()


def load_generator(folder: Path) -> tuple[nn.Module, dict[str, Any]]:
    """The network in FOLDER that draws, its moving average if it has one, and config.json.

    Raises:
        PipelineError: as of `load_network`.
    """
    generator = load_network(
        folder, "generator_ema" if (folder / "generator_ema.safetensors").exists() else "generator"
    )
    return generator, read_configuration(folder)


def read_configuration(folder: Path) -> dict[str, Any]:
    """What config.json in FOLDER holds."""
    configuration: dict[str, Any] = json.loads((folder / CONFIGURATION).read_text(encoding="utf-8"))
    return configuration
