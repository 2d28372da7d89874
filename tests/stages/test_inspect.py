"""The stage that inspects networks, with networks that were never trained."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from pokegan.analysis.discriminators import calibrate
from pokegan.analysis.latent_space import DEGREES
from pokegan.compute.randomness import Streams
from pokegan.networks.factory import build_network
from pokegan.networks.sampling import from_uint8, generate_images, sample_latents
from pokegan.networks.weights import load_network, save_networks
from tests.conftest import Stage, assert_one_sentence, set_params
from tests.stages.test_classify_types import write

LITE = "effnet_lite0"
INDEX = ("index", LITE, "training.npy", "training.csv", "index.npz")
INPUTS = (LITE, "training.npy", "index.npz", "pictures.npy", "labels.csv", "model")
OUTPUTS = ("inspection.npz", "inspection.json")
SHAPE = {"width": 4, "resolution": 32}
DISCRIMINATOR = {"kind": "Discriminator", "spectral_norm": True, **SHAPE}

Result = tuple[dict[str, np.ndarray], dict[str, Any]]
Inspect = Callable[..., Result]


def save_model(latent_dim: int = 8, encoder: bool = False, **more: torch.nn.Module) -> None:
    """Save networks with initial weights in the folder model."""
    configs: dict[str, dict[str, Any]] = {
        "generator": {"kind": "Generator", "latent_dim": latent_dim, **SHAPE},
        "discriminator": DISCRIMINATOR,
    }
    if encoder:
        configs["encoder"] = {"kind": "Encoder", "latent_dim": latent_dim, **SHAPE}
    networks = {name: build_network(each, Streams(1), name) for name, each in configs.items()}
    for weights in networks["generator"].parameters():
        weights.data.mul_(4)
    calibrate(networks["discriminator"], np.load("pictures.npy"))
    configs |= {name: configs[name.removesuffix("_ema")] for name in more}
    save_networks(Path("model"), networks | more, configs, {"latent_dim": latent_dim, **SHAPE})


def save_training_set(images: np.ndarray, species: list[str]) -> None:
    np.save("training.npy", images)
    rows = {"source": [f"{row}.png" for row in range(len(species))], "national_number": species}
    pd.DataFrame(rows).to_csv("training.csv", index_label="row")


@pytest.fixture
def inspect(stage: Stage, drawings: np.ndarray) -> Inspect:
    """Index the training set and inspect the model; returns the arrays and the figures."""
    write("colour", types=("",))
    save_training_set(drawings[:6], list("aabbcc"))

    def call(network: str = "dcgan819") -> Result:
        for command in (INDEX, ("inspect", network, *INPUTS, *OUTPUTS)):
            result = stage(*command)
            assert result.exit_code == 0, result.output
        with np.load(OUTPUTS[0]) as arrays:
            return dict(arrays), json.loads(Path(OUTPUTS[1]).read_text())

    return call


def generated(count: int, stream: str) -> np.ndarray:
    z = sample_latents(count, 8, Streams(1)[stream])
    return generate_images(load_network(Path("model"), "generator"), z).numpy()


def test_a_network_that_copies(inspect: Inspect, drawings: np.ndarray) -> None:
    save_model()
    images = np.concatenate([drawings[:12], generated(8, "matched latents")])
    save_training_set(images, [str(n) for n in range(20)])
    arrays, figures = inspect()
    assert list(figures) == [
        "network", "encoder", "encoder_sha256", "pictures", "copies", "discriminator"
    ]  # fmt: skip
    assert (figures["network"], figures["encoder"], figures["pictures"]) == ("dcgan819", LITE, 8)
    copies = figures["copies"]
    assert copies["copies"] == 1
    assert copies["nearest_median"] < 0.01 < copies["nearest_median_other_species"]
    assert "nearest_median_same_species" not in copies  # each species has one picture
    assert np.isinf(arrays["copies_to_own"]).all()
    assert (arrays["copies_neighbours"][:, 0] == arrays["copies_generated"]).all()


def test_a_network_that_generates_new_images(inspect: Inspect, drawings: np.ndarray) -> None:
    save_model()
    save_training_set(np.concatenate([drawings[:6], drawings[:6, :, ::-1]]), list("aabbcc"))
    arrays, figures = inspect()
    copies = figures["copies"]
    assert copies["copies"] == 0
    assert copies["nearest_median_same_species"] < copies["nearest_median"]
    assert arrays["copies_distances"].shape == (8,)
    assert arrays["copies_to_own"].shape == arrays["copies_to_others"].shape == (12,)
    # Three are the closest, three are spread over the others.
    assert arrays["copies_generated"].shape == (6, 32, 32, 3)
    assert arrays["copies_neighbours"].shape == (6, 5, 32, 32, 3)
    near = arrays["copies_neighbour_distances"]
    assert (np.diff(near, axis=1) >= 0).all()
    assert near[:3, 0].tolist() == np.sort(arrays["copies_distances"])[:3].tolist()
    for image, distances in zip(arrays["copies_generated"], near, strict=True):
        (row,) = np.flatnonzero((generated(8, "matched latents") == image).all(axis=(1, 2, 3)))
        assert arrays["copies_distances"][row] == distances[0]


def test_paths_and_neighborhoods_in_the_latent_space(inspect: Inspect) -> None:
    save_model()
    arrays, _ = inspect()
    paths = arrays["latent_paths"]
    assert paths.shape == (6, 8, 32, 32, 3)
    ends = generated(6, "path latents").astype(int)
    assert np.abs(paths[:, 0] - ends).max() <= 1
    assert np.abs(paths[:, -1] - np.roll(ends, -1, axis=0)).max() <= 1
    around = arrays["latent_neighbourhoods"]
    assert around.shape == (2, 3, 8, 32, 32, 3)
    assert arrays["latent_degrees"].tolist() == list(DEGREES)
    # All directions start at the same latent; the two latents differ.
    assert (around[:, :, 0] == around[:, :1, 0]).all()
    assert (around[0, 0, 0] != around[1, 0, 0]).any()
    far = np.abs(around - around[:, :, :1].astype(float)).mean(axis=(0, 1, 3, 4, 5))
    assert far[0] == 0
    assert (np.diff(far) > 0).all()
    changes = arrays["latent_changes"]
    assert changes[0] == 0
    assert (np.diff(changes) > 0).all()
    assert changes[1] < 0.2 * changes[-1]


def test_reconstructions_of_real_images(inspect: Inspect, drawings: np.ndarray) -> None:
    reals = drawings[:20]
    save_model(encoder=True)
    np.save("pictures.npy", reals)
    Path("labels.csv").write_text(
        "row,first_type,family\n" + "".join(f"{n},,\n" for n in range(20))
    )
    mirrored = drawings[:2, :, ::-1]
    images = np.concatenate([drawings[30:], drawings[8:20], mirrored])
    save_training_set(images, [str(n) for n in range(len(images))])
    arrays, figures = inspect("aegan")
    networks = (load_network(Path("model"), name) for name in ("generator", "encoder"))
    generator, encoder = networks

    def reconstruct(images: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            z = encoder(from_uint8(torch.from_numpy(images.copy())))
        return generate_images(generator, z).numpy()

    def errors(first: np.ndarray, second: np.ndarray) -> np.ndarray:
        return np.abs(first / 255 - second / 255).mean(axis=(1, 2, 3))

    expected = errors(reconstruct(reals), reals)
    np.testing.assert_allclose(arrays["recon_picture_errors"], expected)
    flipped = reals[:, :, ::-1]
    np.testing.assert_allclose(
        arrays["recon_mirrored_errors"], errors(reconstruct(flipped), flipped)
    )
    mean = np.broadcast_to(reals.mean(axis=0), reals.shape)
    np.testing.assert_allclose(arrays["recon_mean_errors"], errors(mean, reals), atol=0.002)
    z = sample_latents(20, 8, Streams(1)["cycle latents"])
    fakes = generate_images(generator, z).numpy()
    np.testing.assert_allclose(arrays["recon_unrelated_errors"], errors(fakes, reals))
    with torch.no_grad():
        cycle = encoder(from_uint8(torch.from_numpy(fakes))) - z
    np.testing.assert_allclose(arrays["recon_latent_errors"], cycle.norm(dim=1), rtol=1e-5)

    found = figures["reconstruction"]
    assert {k: found[k] for k in ("pictures", "trained_on", "mirrored_trained_on")} == {
        "pictures": 20, "trained_on": 12, "mirrored_trained_on": 2
    }  # fmt: skip
    for key, value in {
        "picture_error": expected.mean(),
        "picture_error_median": np.median(expected),
        "picture_error_mirrored": arrays["recon_mirrored_errors"].mean(),
        "picture_error_of_mean": arrays["recon_mean_errors"].mean(),
        "nearer_than_mean": (expected < arrays["recon_mean_errors"]).mean(),
        "latent_error": float(cycle.norm(dim=1).mean()),
        "latent_length": float(z.norm(dim=1).mean()),
    }.items():
        assert found[key] == pytest.approx(value, rel=1e-5), key

    order = expected.argsort(kind="stable")
    assert (arrays["recon_best_originals"] == reals[order[:8]]).all()
    assert (arrays["recon_worst_reconstructions"] == reconstruct(reals)[order[::-1][:8]]).all()
    assert len(arrays["recon_spaced_originals"]) == 16
    assert (arrays["recon_spaced_originals"][[0, -1]] == reals[[0, -1]]).all()
    between, chosen = arrays["recon_between"], reals[[0, 6, 13, 19]]
    assert between.shape == (4, 8, 32, 32, 3)
    assert (between[:, 0] == chosen).all()
    assert (between[:, -1] == np.roll(chosen, -1, axis=0)).all()
    ends = reconstruct(chosen).astype(int)
    assert np.abs(between[:, 1] - ends).max() <= 1
    assert np.abs(between[:, -2] - np.roll(ends, -1, axis=0)).max() <= 1


def test_an_untrained_discriminator_equals_its_baseline(inspect: Inspect) -> None:
    write("colour")
    save_model()
    arrays, figures = inspect()
    found = figures["discriminator"]
    assert (found["filters_likeness"], found["filters"]) == (1, 4)
    assert found["gain_accuracy"] == found["gain_water_auc"] == 0
    assert found["trained_accuracy"] == found["untrained_accuracy"] > 0.9
    assert arrays["filters_trained"].shape == (4, 4, 4, 3)
    assert (arrays["filters_trained"] == arrays["filters_untrained"]).all()
    assert not [key for key in arrays if key.startswith("recon")]


def test_equal_inputs_give_equal_bytes_and_the_seed_changes_them(
    inspect: Inspect, workspace: Path
) -> None:
    save_model(encoder=True)

    def outputs() -> list[bytes]:
        inspect("aegan")
        return [Path(name).read_bytes() for name in ("index.npz", *OUTPUTS)]

    first = outputs()
    assert outputs() == first
    set_params(workspace, {"seed": 2})
    index, *rest = outputs()
    assert index == first[0]
    assert not set(rest) & set(first)


def test_a_moving_average_generates(inspect: Inspect) -> None:
    average = build_network({"kind": "Generator", "latent_dim": 8, **SHAPE})
    for weights in average.parameters():
        torch.nn.init.zeros_(weights)
    save_model(generator_ema=average)
    arrays, _ = inspect()
    assert (arrays["latent_paths"] == 128).all()
    assert (arrays["latent_changes"] == 0).all()
    assert (arrays["copies_generated"] == 128).all()


def test_small_data_and_latents_of_one_number(inspect: Inspect, drawings: np.ndarray) -> None:
    """Three training pictures of one species, nine pictures of two types."""
    write("colour", lines=2)
    save_model(latent_dim=1, encoder=True)
    save_training_set(drawings[:3], ["7"] * 3)
    arrays, figures = inspect("aegan")
    assert "copies" not in figures["copies"]
    assert arrays["copies_neighbours"].shape[:2] == (6, 3)
    assert not [key for key in arrays if key.startswith("latent_") or key == "recon_between"]
    assert len(arrays["recon_spaced_errors"]) == len(arrays["recon_picture_errors"]) == 9
    assert figures["discriminator"]["filters_likeness"] == 1
    assert not [key for key in figures["discriminator"] if "accuracy" in key]


@pytest.mark.parametrize("kind", [None, "SomeOtherKind"])
def test_a_model_without_a_discriminator_of_a_known_kind(
    inspect: Inspect, kind: str | None
) -> None:
    save_model()
    config = json.loads(Path("model/config.json").read_text())
    if kind:
        config["networks"]["discriminator"]["kind"] = kind
    else:
        del config["networks"]["discriminator"]
    Path("model/config.json").write_text(json.dumps(config))
    arrays, figures = inspect()
    assert "discriminator" not in figures
    assert not [key for key in arrays if key.startswith("filters")]


def test_errors_are_one_sentence_and_nothing_is_written(
    stage: Stage, inspect: Inspect, drawings: np.ndarray
) -> None:
    command = ("inspect", "dcgan819", *INPUTS, *OUTPUTS)
    assert_one_sentence(stage(*command), "model", "config.json is missing")
    save_model()
    assert_one_sentence(stage(*command), "index.npz is missing", "dvc repro")
    assert_one_sentence(
        stage("index", LITE, "no.npy", "training.csv", "i.npz"), "no.npy is missing"
    )
    np.save("training.npy", drawings[:7])
    assert_one_sentence(stage(*INDEX), "training.csv has 6 rows for 7 pictures")
    assert not Path("index.npz").exists()
    for name, file in {"training": "training.npy", "pictures": "pictures.npy"}.items():
        images = np.load(file)
        np.save(file, images.repeat(2, axis=1).repeat(2, axis=2))
        assert_one_sentence(stage(*command), f"{name}.npy holds images of 64×64 pixels", "32×32")
        np.save(file, images)
    np.save("training.npy", drawings[:6])
    assert stage(*INDEX).exit_code == 0
    Path("model/discriminator.safetensors").unlink()
    assert_one_sentence(stage(*command), "discriminator.safetensors is missing")
    assert not Path(OUTPUTS[0]).exists()
    assert not Path(OUTPUTS[1]).exists()
