from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from pokegan.analysis.discriminators import calibrate
from pokegan.compute.randomness import Streams
from pokegan.networks.factory import build_network
from pokegan.networks.weights import load_network, save_networks
from tests.conftest import Stage, assert_one_sentence
from tests.stages.test_classify_types import write

ARGUMENTS = ("aegan", "pictures.npy", "labels.csv", "model", "probe.json", "filters.npz")


@pytest.fixture
def model(workspace: Path) -> Path:
    """A model whose discriminator is at its beginning, of the seed in params.yaml.

    It has seen pictures whose types differ by their colour, but has learnt nothing.
    """
    write("colour")
    description = {"kind": "Discriminator", "width": 4, "resolution": 32, "spectral_norm": True}
    network = build_network(description, Streams(1), "discriminator")
    calibrate(network, np.load("pictures.npy"))
    facts = {"latent_dim": 8, "resolution": 32}
    folder = workspace / "model"
    save_networks(folder, {"discriminator": network}, {"discriminator": description}, facts)
    return folder


def probed(stage: Stage) -> dict[str, float]:
    made = stage("probe", *ARGUMENTS)
    assert made.exit_code == 0, made.output
    told: dict[str, float] = json.loads(Path("probe.json").read_text())
    return told


def test_an_untrained_discriminator_is_its_own_control(stage: Stage, model: Path) -> None:
    told = probed(stage)
    assert (told["filters_likeness"], told["filters"]) == (1, 4)
    assert told["gain_accuracy"] == told["gain_water_auc"] == 0
    assert told["trained_accuracy"] == told["untrained_accuracy"] > 0.9
    with np.load("filters.npz") as filters:
        assert filters["trained"].shape == (4, 4, 4, 3)
        assert (filters["trained"] == filters["untrained"]).all()


def test_what_training_changed_is_seen(stage: Stage, model: Path) -> None:
    """A discriminator whose first layer has gone blind tells nothing any more."""
    discriminator = load_network(model, "discriminator")
    first = discriminator.features[0]
    weight = first.parametrizations.weight.original.data
    weight[:] = weight.mean()
    first.bias.data[:] = 0
    description = json.loads((model / "config.json").read_text())["networks"]
    other = model.with_name("blind")
    facts = {"latent_dim": 8, "resolution": 32}
    save_networks(other, {"discriminator": discriminator}, description, facts)
    made = stage("probe", "aegan", "pictures.npy", "labels.csv", "blind", *ARGUMENTS[4:])
    assert made.exit_code == 0, made.output
    told = json.loads(Path("probe.json").read_text())
    assert told["filters_likeness"] < 0.9
    assert told["untrained_accuracy"] > 0.9
    with np.load("filters.npz") as filters:
        assert len(np.unique(filters["trained"])) == 1


def test_the_same_bytes_again(stage: Stage, model: Path) -> None:
    def made() -> list[bytes]:
        probed(stage)
        return [Path(name).read_bytes() for name in ARGUMENTS[4:]]

    assert made() == made()


def test_of_too_few_pictures_there_are_filters_alone(stage: Stage, model: Path) -> None:
    write("colour", lines=2)
    told = probed(stage)
    assert told["filters_likeness"] == 1
    assert not [key for key in told if "accuracy" in key]
    assert Path("filters.npz").is_file()


def test_what_cannot_be_probed_is_named(stage: Stage, model: Path) -> None:
    np.save("pictures.npy", np.load("pictures.npy").repeat(2, axis=1).repeat(2, axis=2))
    assert_one_sentence(stage("probe", *ARGUMENTS), "pictures.npy", "64 pixels", "trained on 32")
    (model / "discriminator.safetensors").unlink()
    assert_one_sentence(stage("probe", *ARGUMENTS), "discriminator.safetensors is missing")
    assert not Path("probe.json").exists()
