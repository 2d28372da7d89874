from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from pokegan.compute.randomness import Streams
from pokegan.core.errors import PipelineError
from pokegan.networks.factory import build_network
from pokegan.networks.weights import load_generator, load_network, read_config, save_networks

FACTS = {"resolution": 32, "latent_dim": 8}
GENERATOR = {"kind": "Generator", "latent_dim": 8, "width": 2, "resolution": 32}
CONFIGS: dict[str, dict[str, Any]] = {
    "generator": {**GENERATOR, "upsampling": "nearest", "head": "dense"},
    "encoder": {"kind": "Encoder", "latent_dim": 8, "width": 2, "resolution": 32},
    "discriminator": {
        "kind": "Discriminator", "width": 2, "resolution": 32, "dropout": 0.1, "spectral_norm": True
    },
    "latent_discriminator": {"kind": "LatentDiscriminator", "latent_dim": 8},
    "dense": {"kind": "DenseDiscriminator", "width": 2, "resolution": 32, "spectral_norm": True},
}  # fmt: skip


def networks() -> dict[str, nn.Module]:
    return {name: build_network(config, Streams(0), name) for name, config in CONFIGS.items()}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model whose snapshot of step 3 contains zeros only."""
    saved = networks()
    zeros = {key: torch.zeros_like(each) for key, each in saved["generator"].state_dict().items()}
    save_networks(tmp_path / "model", saved, CONFIGS, FACTS, [(3, 0.5, zeros)])
    return tmp_path / "model"


def test_every_network_is_loaded_as_it_was_saved(model: Path) -> None:
    for name, network in networks().items():
        expected, loaded = network.state_dict(), load_network(model, name)
        assert not loaded.training
        assert loaded.state_dict().keys() == expected.keys()
        assert all(torch.equal(each, expected[key]) for key, each in loaded.state_dict().items())
    generator, config = load_generator(model)
    assert torch.equal(generator.layers[0].weight, networks()["generator"].layers[0].weight)
    assert config == {**FACTS, "snapshots": [{"step": 3, "epoch": 0.5}], "networks": CONFIGS}


def test_a_snapshot_is_an_earlier_generator(model: Path) -> None:
    snapshot = load_network(model, "generator", step=3)
    assert all((each == 0).all() for each in snapshot.state_dict().values())
    with pytest.raises(PipelineError, match=r"4.safetensors is missing; run `dvc repro`"):
        load_network(model, "generator", step=4)


def test_the_moving_average_generates(tmp_path: Path) -> None:
    saved = {"generator": networks()["generator"], "generator_ema": networks()["generator"]}
    nn.init.zeros_(saved["generator_ema"].layers[0].weight)
    save_networks(tmp_path / "m", saved, dict.fromkeys(saved, CONFIGS["generator"]), FACTS)
    generator, _ = load_generator(tmp_path / "m")
    assert (generator.layers[0].weight == 0).all()


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("config.json", None, "config.json is missing"),
        ("config.json", b"{", "config.json cannot be read"),
        ("config.json", b"{}", "config.json cannot be read .*'networks'"),
        ("generator.safetensors", b"half", "generator.safetensors cannot be read"),
        ("generator.safetensors", None, "generator.safetensors is missing"),
    ],
)
def test_a_damaged_model_is_named(
    model: Path, file: str, content: bytes | None, words: str
) -> None:
    (model / file).unlink()
    if content is not None:
        (model / file).write_bytes(content)
    with pytest.raises(PipelineError, match=words):
        load_generator(model)


def test_weights_of_another_architecture_are_named(model: Path) -> None:
    config = (model / "config.json").read_text()
    for wrong in ('"kind": "Transformer"', '"kind": "DenseGenerator"', '"no_kind": 0'):
        (model / "config.json").write_text(config.replace('"kind": "Generator"', wrong))
        with pytest.raises(PipelineError, match=r"generator.safetensors cannot be read"):
            load_generator(model)


def test_an_unknown_network_is_named(model: Path) -> None:
    with pytest.raises(PipelineError, match="has no network 'critic'; choose one of generator, "):
        load_network(model, "critic")


def test_nan_weights_are_named(model: Path) -> None:
    broken = networks()["generator"]
    nn.init.constant_(broken.layers[0].weight, torch.nan)
    saved = {"generator": broken}
    save_networks(model / "n", saved, CONFIGS, FACTS, [(3, 0.5, broken.state_dict())])
    with pytest.raises(PipelineError, match=r"generator.safetensors: layers.0.weight contains NaN"):
        load_generator(model / "n")
    with pytest.raises(PipelineError, match=r"3.safetensors: layers.0.weight contains NaN"):
        load_network(model / "n", "generator", step=3)
    assert read_config(model / "n")["latent_dim"] == 8
