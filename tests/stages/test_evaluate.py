"""The evaluation of a generator that was never trained, on drawings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from pokegan.compute.randomness import Streams
from pokegan.core.params import read_params
from pokegan.networks.weights import save_networks
from tests.conftest import Stage, assert_one_sentence, set_params

LITE = "effnet_lite0"
ENCODE = ("encode", LITE, "pictures.npy", "features.npz")
EVALUATE = ("evaluate", "dcgan819", LITE, "features.npz", "model", "scores")


@pytest.fixture
def model(workspace: Path, drawings: np.ndarray) -> Path:
    """A model with snapshots of steps 2 and 4: all weights zero, and as they were initialised."""
    from pokegan.gans.dcgan import Dcgan

    gan = Dcgan(read_params("dcgan819").dcgan819, 0.0002, 32, Streams(1))
    weights = gan.generator.state_dict()
    blank = {key: torch.zeros_like(value) for key, value in weights.items()}
    facts = {"latent_dim": 8, "resolution": 32}
    snapshots = [(2, 0.5, blank), (4, 1.0, weights)]
    save_networks(workspace / "model", gan.networks, gan.configs, facts, snapshots)
    np.save(workspace / "pictures.npy", drawings)
    return workspace


def results() -> tuple[dict[str, Any], pd.DataFrame]:
    return (
        json.loads(Path(f"scores/{LITE}.json").read_text()),
        pd.read_csv(f"scores/{LITE}.csv"),
    )


def test_every_snapshot_and_several_draws_of_the_last(stage: Stage, model: Path) -> None:
    assert stage(*ENCODE).exit_code == 0
    said = stage(*EVALUATE)
    assert said.exit_code == 0, said.output
    scores, curve = results()
    assert curve[["epoch", "step"]].to_numpy().tolist() == [[0.5, 2], [1, 4]]
    assert scores["pictures"] == 8
    assert scores["draws"] == 2
    assert scores["encoder_sha256"].startswith("57934424")
    for score in ("fd", "kd", "cs", "precision", "recall", "near_duplicates"):
        name = f"{score}_effnet_lite0"
        assert scores[name] == curve[score].iloc[-1]
        assert scores[f"{name}_spread"] >= 0
        assert f"{name}_reals" in scores
    # All grey: one picture, and nothing like the truth.
    assert curve["near_duplicates"][0] == 1
    assert curve["cs"][0] == pytest.approx(1)
    assert curve["fd"].min() > 1.5 * scores["fd_effnet_lite0_reals"]
    assert not [key for key in scores if key.startswith("legacy")]

    again = Path(f"scores/{LITE}.json").read_bytes()
    assert stage(*EVALUATE).exit_code == 0
    assert Path(f"scores/{LITE}.json").read_bytes() == again


def test_another_seed_draws_others(stage: Stage, model: Path) -> None:
    assert stage(*ENCODE).exit_code == 0
    found = []
    for seed in (1, 2):
        set_params(model, {"seed": seed})
        assert stage(*EVALUATE).exit_code == 0
        found.append(results()[0]["fd_effnet_lite0"])
    assert found[0] != found[1]


def test_the_students_protocol_beside_ours(stage: Stage, model: Path) -> None:
    np.save("pictures.npy", np.random.default_rng(0).integers(0, 256, (256, 32, 32, 3), np.uint8))
    set_params(model, {"evaluate.pictures": 128, "evaluate.legacy_128": True})
    assert stage(*ENCODE).exit_code == 0
    said = stage(*EVALUATE)
    assert said.exit_code == 0, said.output
    scores, curve = results()
    assert scores["legacy_128_fd_effnet_lite0"] > 0
    assert 1 <= scores["legacy_128_cs_effnet_lite0"] < 12
    assert not [column for column in curve if column.startswith("legacy")]

    set_params(model, {"evaluate.legacy_128": False})
    assert stage(*EVALUATE).exit_code == 0
    without = results()[0]
    assert without == {key: scores[key] for key in without}


def test_a_generator_in_training_mode_draws_by_the_batch(model: Path) -> None:
    """Batch norm's own statistics, as the students drew: a picture depends on its neighbours."""
    from pokegan.networks.sampling import generate_images
    from pokegan.networks.weights import load_network

    generator = load_network(model / "model", "generator")
    z = torch.randn(6, 8, generator=torch.Generator().manual_seed(0))
    still = [generate_images(generator, each) for each in (z, z[:3])]
    assert torch.equal(still[0][:3], still[1])
    moved = [generate_images(generator, each, training=True) for each in (z, z[:3])]
    assert not torch.equal(moved[0][:3], moved[1])
    assert not torch.equal(moved[0], still[0])
    assert not generator.training


def test_the_students_protocol_needs_the_students_mode(
    stage: Stage, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pokegan.networks import architectures as networks

    modes: list[tuple[int, bool]] = []
    draw = networks.generate_images

    def spied(generator: Any, z: Any, batch_size: int, training: bool) -> Any:
        modes.append((len(z), training))
        return draw(generator, z, batch_size, training)

    monkeypatch.setattr(networks, "draw_pictures", spied)
    np.save("pictures.npy", np.random.default_rng(0).integers(0, 256, (256, 32, 32, 3), np.uint8))
    set_params(model, {"evaluate.pictures": 128, "evaluate.legacy_128": True})
    assert stage(*ENCODE).exit_code == 0
    assert stage(*EVALUATE).exit_code == 0
    assert modes == [(128, False), (128, True), (128, False), (128, False), (128, True)]


def test_too_few_pictures_for_what_was_asked_are_named(stage: Stage, model: Path) -> None:
    assert stage(*ENCODE).exit_code == 0
    set_params(model, {"evaluate.legacy_128": True})
    assert_one_sentence(stage(*EVALUATE), "evaluate.legacy_128 needs 128", "there are 8")
    set_params(model, {"evaluate.legacy_128": False, "evaluate.splits": 9})
    assert_one_sentence(stage(*EVALUATE), "evaluate.splits is 9, but only 8")
    np.save("pictures.npy", np.zeros((7, 32, 32, 3), np.uint8))
    assert_one_sentence(stage(*ENCODE), "7 true pictures are too few")
    assert not Path("scores").exists()


def test_a_broken_generator_is_named(stage: Stage, model: Path) -> None:
    from safetensors.torch import load_file, save_file

    assert stage(*ENCODE).exit_code == 0
    file = model / "model/snapshots/4.safetensors"
    weights = load_file(file)
    key = next(key for key, each in weights.items() if each.is_floating_point())
    weights[key].view(-1)[0] = float("nan")
    save_file(weights, file)
    assert_one_sentence(stage(*EVALUATE), f"the generator of step 4's {key} holds NaN")
    file.unlink()
    assert_one_sentence(stage(*EVALUATE), "model", "4.safetensors is missing")
    config = model / "model/config.json"
    config.write_text(config.read_text().replace('"snapshots": [', '"snapshots": [], "not": ['))
    assert_one_sentence(stage(*EVALUATE), "model holds no snapshot of its generator")
    assert not Path("scores").exists()


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ([], "evaluate.encoders is []"),
        (["vgg"], "evaluate.encoders.0 is 'vgg'"),
        ([LITE, LITE], "must name each one once"),
    ],
)
def test_encoders_are_checked(stage: Stage, model: Path, value: list[str], words: str) -> None:
    set_params(model, {"evaluate.encoders": value})
    assert_one_sentence(stage(*ENCODE), words)
