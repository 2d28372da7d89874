"""Save and load trained models.

A model is a folder: config.json, one safetensors file per network, and snapshots/<step>.safetensors
with earlier weights of the generator (of its moving average, if there is one).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from pokegan.core.errors import PipelineError
from pokegan.core.files import read_json, reading, save_json
from pokegan.networks.factory import NetworkConfig, build_network

CONFIG = "config.json"
SNAPSHOTS = "snapshots"


def save_networks(
    folder: Path,
    networks: Mapping[str, nn.Module],
    configs: Mapping[str, NetworkConfig],
    facts: Mapping[str, Any],
    snapshots: Sequence[tuple[int, float, Mapping[str, Tensor]]] = (),
) -> None:
    """Write a model into a new folder.

    `facts` are further entries of config.json; each snapshot is a step, its epoch and the weights
    of the generator.
    """
    (folder / SNAPSHOTS).mkdir(parents=True)
    for name, network in networks.items():
        _write(folder / f"{name}.safetensors", network.state_dict())
    for step, _, weights in snapshots:
        _write(folder / SNAPSHOTS / f"{step}.safetensors", weights)
    config = {
        **facts,
        "snapshots": [{"step": step, "epoch": epoch} for step, epoch, _ in snapshots],
        "networks": dict(configs),
    }
    save_json(folder / CONFIG, config)


def _write(file: Path, weights: Mapping[str, Tensor]) -> None:
    file.write_bytes(save({key: value.cpu().contiguous() for key, value in weights.items()}))


def load_network(folder: Path, name: str, step: int | None = None) -> nn.Module:
    """Load a network of a model, or with `step` a snapshot of its generator, in evaluation mode.

    Raises:
        PipelineError: the model or the network is missing, damaged or not finite.
    """
    configs = read_config(folder)["networks"]
    if name not in configs:
        raise PipelineError(
            f"{folder} has no network {name!r}; choose one of {', '.join(configs)}."
        )
    file = folder / f"{name if step is None else f'{SNAPSHOTS}/{step}'}.safetensors"
    with reading(file):
        try:
            network = build_network(configs[name])
            network.load_state_dict(load(file.read_bytes()))
        except (SafetensorError, RuntimeError) as error:
            raise ValueError(error) from error
    for key, weights in network.state_dict().items():
        if not torch.isfinite(weights).all():
            raise PipelineError(
                f"{file}: {key} contains NaN or infinity; delete it and run `dvc repro`."
            )
    return network.eval()


def load_generator(folder: Path) -> tuple[nn.Module, dict[str, Any]]:
    """Load the generator, or its moving average if there is one, and config.json."""
    config = read_config(folder)
    name = "generator_ema" if "generator_ema" in config["networks"] else "generator"
    return load_network(folder, name), config


def read_config(folder: Path) -> dict[str, Any]:
    """Read config.json: networks, snapshots, latent_dim, resolution and the network's name.

    Raises:
        PipelineError: the file is missing, damaged or of another version.
    """
    with reading(folder / CONFIG):
        config: dict[str, Any] = read_json(folder / CONFIG)
        for key in ("networks", "snapshots", "latent_dim", "resolution"):
            config[key]
    return config
