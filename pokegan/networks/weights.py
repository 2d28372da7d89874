"""A trained model on disk: one safetensors file a network, what they are built from beside them.

Below snapshots/ stands the generator that drew (its moving average if it has one) after some of
the steps, a file a step; config.json lists them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from pokegan.core.errors import PipelineError
from pokegan.networks.factory import NetworkConfig, build_network

CONFIGURATION = "config.json"
SNAPSHOTS = "snapshots"
CURE = "train it again (dvc repro) or fetch it (dvc pull)."


def save_networks(
    folder: Path,
    networks: Mapping[str, nn.Module],
    descriptions: Mapping[str, NetworkConfig],
    facts: Mapping[str, Any],
    snapshots: Sequence[tuple[int, float, Mapping[str, Tensor]]] = (),
) -> None:
    """Write NETWORKS, the DESCRIPTIONS that rebuild them and FACTS into the new FOLDER.

    SNAPSHOTS are steps, epochs, and the weights of the generator that drew then.
    """
    (folder / SNAPSHOTS).mkdir(parents=True)
    for name, network in networks.items():
        _write(folder / f"{name}.safetensors", network.state_dict())
    for step, _, weights in snapshots:
        _write(folder / SNAPSHOTS / f"{step}.safetensors", weights)
    configuration = {
        **facts,
        "snapshots": [{"step": step, "epoch": epoch} for step, epoch, _ in snapshots],
        "networks": dict(descriptions),
    }
    text = json.dumps(configuration, indent=2) + "\n"
    (folder / CONFIGURATION).write_text(text, encoding="utf-8")


def _write(file: Path, weights: Mapping[str, Tensor]) -> None:
    file.write_bytes(save({key: value.cpu().contiguous() for key, value in weights.items()}))


def load_network(folder: Path, name: str, step: int | None = None) -> nn.Module:
    """The network NAME ("generator", "discriminator", …) in FOLDER, on the CPU, for evaluation.

    With STEP it gets the weights of that snapshot, which is one of the generator.

    Raises:
        PipelineError: FOLDER is no trained model, has no such network, or its weights are broken
            or not finite.
    """
    descriptions = read_config(folder)["networks"]
    if name not in descriptions:
        raise PipelineError(
            f"{folder} has no network {name!r}; it holds {', '.join(descriptions)}."
        )
    file = folder / f"{name if step is None else f'{SNAPSHOTS}/{step}'}.safetensors"
    with _read(folder, file):
        network = build_network(descriptions[name])
        network.load_state_dict(load_file(file))
    for key, weights in network.state_dict().items():
        if not torch.isfinite(weights).all():
            which = name if step is None else f"{name} of step {step}"
            raise PipelineError(f"{folder}: the {which}'s {key} holds NaN or infinity; {CURE}")
    return network.eval()


def load_generator(folder: Path) -> tuple[nn.Module, dict[str, Any]]:
    """The network in FOLDER that draws, its moving average if it has one, and config.json.

    Raises:
        PipelineError: as of `load_network`.
    """
    configuration = read_config(folder)
    average = "generator_ema" in configuration["networks"]
    return load_network(folder, "generator_ema" if average else "generator"), configuration


def read_config(folder: Path) -> dict[str, Any]:
    """What config.json in FOLDER holds: networks, snapshots, latent_dim, resolution and more.

    Raises:
        PipelineError: FOLDER is no trained model, or one of another version.
    """
    file = folder / CONFIGURATION
    with _read(folder, file):
        configuration: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        for key in ("networks", "snapshots", "latent_dim", "resolution"):
            configuration[key]
    return configuration


@contextmanager
def _read(folder: Path, file: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as fault:
        raise PipelineError(f"{folder} is no trained model: {file} is missing; {CURE}") from fault
    except (ValueError, KeyError, TypeError, RuntimeError, OSError, SafetensorError) as fault:
        raise PipelineError(f"{file}: the model cannot be read ({fault}); {CURE}") from fault
