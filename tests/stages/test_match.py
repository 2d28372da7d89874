"""Generated pictures beside the training pictures that they resemble most."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from pokegan.cli.common import load_drawing_generator
from pokegan.compute.randomness import Streams
from pokegan.networks.sampling import generate_images, sample_latents
from stages.match import shown, summary
from tests.cli.test_common import save_model
from tests.conftest import Stage, assert_one_sentence

LITE = "effnet_lite0"
INDEX = ("index", LITE, "true.npy", "true.csv", "index.npz")
MATCH = ("match", "dcgan819", LITE, "true.npy", "index.npz", "model")
OUTPUTS = ("copies.npz", "copies.json")


@pytest.fixture
def model(workspace: Path) -> np.ndarray:
    """A network in the folder model: the 8 pictures that will be matched."""
    save_model(workspace / "model")
    generator, _ = load_drawing_generator(workspace / "model", torch.device("cpu"))
    return generate_images(generator, sample_latents(8, 8, Streams(1)["matched latents"])).numpy()


def save_data(pictures: np.ndarray, species: list[str]) -> None:
    np.save("true.npy", pictures)
    rows = {"source": [f"{row}.png" for row in range(len(species))], "national_number": species}
    pd.DataFrame(rows).to_csv("true.csv", index_label="row")


def matched(stage: Stage) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    for command in (INDEX, (*MATCH, *OUTPUTS)):
        result = stage(*command)
        assert result.exit_code == 0, result.output
    with np.load("copies.npz") as arrays:
        return json.loads(Path("copies.json").read_text()), dict(arrays)


def test_a_network_that_copies(stage: Stage, model: np.ndarray, drawings: np.ndarray) -> None:
    save_data(np.concatenate([drawings[:12], model]), [str(n) for n in range(20)])
    figures, arrays = matched(stage)
    assert figures["copies"] == 1
    assert figures["pictures"] == 8
    assert figures["nearest_median"] < 0.01 < figures["nearest_median_other_species"]
    # Each species has one picture.
    assert "nearest_median_same_species" not in figures
    assert np.isinf(arrays["to_own"]).all()
    assert (arrays["neighbours"][:, 0] == arrays["drawn"]).all()


def test_a_network_that_invents(stage: Stage, model: np.ndarray, drawings: np.ndarray) -> None:
    save_data(np.concatenate([drawings[:12], drawings[:12, :, ::-1]]), list("aabbccddeeff"))
    figures, arrays = matched(stage)
    assert figures["copies"] == 0
    assert figures["nearest_median_same_species"] < figures["nearest_median"]
    assert arrays["distances"].shape == (8,)
    assert arrays["to_own"].shape == arrays["to_others"].shape == (24,)
    # With 8 pictures three are the closest, and three of the others.
    assert arrays["drawn"].shape == (6, 32, 32, 3)
    assert arrays["neighbours"].shape == (6, 5, 32, 32, 3)
    near = arrays["neighbour_distances"]
    assert (np.diff(near, axis=1) >= 0).all()
    assert near[:3, 0].tolist() == np.sort(arrays["distances"])[:3].tolist()
    for picture, told in zip(arrays["drawn"], near, strict=True):
        (row,) = np.flatnonzero((model == picture).all(axis=(1, 2, 3)))
        assert arrays["distances"][row] == told[0]


def test_the_same_bytes_again(stage: Stage, model: np.ndarray, drawings: np.ndarray) -> None:
    save_data(drawings[:12], list("aabbccddeeff"))
    files = [Path(name) for name in ("index.npz", *OUTPUTS)]
    matched(stage)
    first = [file.read_bytes() for file in files]
    matched(stage)
    assert [file.read_bytes() for file in files] == first


def test_few_pictures_of_one_species(stage: Stage, model: np.ndarray, drawings: np.ndarray) -> None:
    save_data(drawings[:3], ["7"] * 3)
    figures, arrays = matched(stage)
    assert "copies" not in figures
    assert arrays["neighbours"].shape[:2] == (6, 3)


def test_copies_are_those_below_the_closest_twentieth() -> None:
    to_others = np.arange(1.0, 102)  # whose 5 % quantile is 6
    figures = summary(np.array([5.9, 6.0, 5.0, 50.0]), np.array([1.0, np.inf, 3.0]), to_others)
    assert figures == {
        "nearest_median": 5.95,
        "copies": 0.5,
        "nearest_median_other_species": 51.0,
        "nearest_median_same_species": 2.0,
    }


def test_the_closest_and_others_are_shown() -> None:
    distances = np.array([9.0, 1, 8, 2, 7, 3, 6, 4, 5])
    assert distances[shown(distances)].tolist() == [1, 2, 3, 4, 6, 9]
    assert distances[shown(distances[:2])].tolist() == [1, 9]


def test_faults_are_one_sentence(stage: Stage, model: np.ndarray, drawings: np.ndarray) -> None:
    save_data(drawings[:12], list("aabbccddeeff"))
    assert_one_sentence(stage(*MATCH, *OUTPUTS), "index.npz is missing", "dvc repro")
    assert_one_sentence(stage("index", LITE, "no.npy", "true.csv", "i.npz"), "no.npy is missing")
    np.save("true.npy", drawings[:13])
    assert_one_sentence(stage(*INDEX), "true.csv has 12 rows for 13 pictures")
    np.save("large.npy", drawings[:12].repeat(2, axis=1).repeat(2, axis=2))
    assert stage("index", LITE, "large.npy", "true.csv", "large.npz").exit_code == 0
    large = stage("match", "aegan", LITE, "large.npy", "large.npz", "model", *OUTPUTS)
    assert_one_sentence(large, "large.npy holds pictures of 64 pixels", "trained on 32")
    assert not Path("copies.json").exists()
    assert not Path("index.npz").exists()
