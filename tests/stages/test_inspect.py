import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from pokegan.analysis.comparison import MAX_COMPARED
from pokegan.analysis.copies import MAX_SEARCHED
from pokegan.analysis.discriminators import calibrate
from pokegan.compute.randomness import Streams
from pokegan.networks.sampling import generate_images, sample_latents
from pokegan.networks.weights import save_networks
from tests.analysis.conftest import CONFIGS, untrained
from tests.conftest import Stage, assert_one_sentence, set_params, succeed
from tests.stages.test_classify_types import write

INPUTS = ("training.npy", "training.csv", "pictures.npy", "labels.csv", "model")
OUTPUTS = ("inspection.npz", "inspection.json")

Inspect = Callable[..., tuple[dict[str, np.ndarray], dict[str, Any]]]


def save_model(latent_dim: int = 8, encoder: bool = False, average: bool = False) -> None:
    """Save untrained networks in the folder model; a moving average generates gray images."""
    names = ["generator", "discriminator", *(["encoder"] if encoder else [])]
    configs = {name: dict(CONFIGS[name]) for name in names}
    for config in configs.values():
        if "latent_dim" in config:
            config["latent_dim"] = latent_dim
    networks = {name: untrained(name, **config) for name, config in configs.items()}
    calibrate(networks["discriminator"], np.load("pictures.npy"))
    if average:
        networks["generator_ema"] = untrained("generator")
        for weights in networks["generator_ema"].parameters():
            torch.nn.init.zeros_(weights)
        configs["generator_ema"] = configs["generator"]
    save_networks(Path("model"), networks, configs, {"latent_dim": latent_dim, "resolution": 32})


def save_training_set(images: np.ndarray, species: Sequence[str]) -> None:
    np.save("training.npy", images)
    rows = {"source": [f"{row}.png" for row in range(len(species))], "national_number": [*species]}
    pd.DataFrame(rows).to_csv("training.csv", index_label="row")


@pytest.fixture
def inspect(stage: Stage, drawings: np.ndarray) -> Inspect:
    """Inspect the model; returns the arrays and the figures."""
    write("colour", types=("",))
    save_training_set(drawings[:6], "aabbcc")

    def call(network: str = "dcgan819") -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        succeed(stage("inspect", network, *INPUTS, *OUTPUTS))
        with np.load(OUTPUTS[0]) as arrays:
            return dict(arrays), json.loads(Path(OUTPUTS[1]).read_text())

    return call


def test_a_network_that_copies_its_training_set(inspect: Inspect, drawings: np.ndarray) -> None:
    save_model()
    z = sample_latents(MAX_COMPARED, 8, Streams(1)["matched latents"])
    generated = generate_images(untrained("generator"), z[:MAX_SEARCHED]).numpy()
    mirrored = generated[:, :, ::-1]
    species = map(str, range(12 + MAX_SEARCHED))
    save_training_set(np.concatenate([drawings[:12], mirrored]), list(species))
    arrays, figures = inspect()
    assert list(figures) == ["network", "lpips_sha256", "copies", "comparison", "discriminator"]
    copies = figures["copies"]
    assert copies["copies"] == 1
    assert copies["nearest_median"] < 1e-5 < copies["nearest_median_other_species"]
    assert "nearest_median_same_species" not in copies  # each species has one image
    assert np.isinf(arrays["copies_to_own"]).all()
    assert (arrays["copies_neighbours"][:, 0, :, ::-1] == arrays["copies_generated"]).all()


def test_generated_and_real_images_are_compared(inspect: Inspect, drawings: np.ndarray) -> None:
    """An enlarged set is compared by its originals; an untrained generator differs from both."""
    save_model()
    save_training_set(np.concatenate([drawings, 255 - drawings]), [*map(str, range(48))])
    arrays, figures = inspect()
    found = figures["comparison"]
    keys = {"swd_32", "swd_16", "checkerboard", "lpips_diversity"}
    assert set(found) == {"pictures", *keys, *(f"{key}_reals" for key in keys)}
    assert found["pictures"] == 24
    assert found["swd_32"] > 2 * found["swd_32_reals"] > 0
    assert found["lpips_diversity"] < found["lpips_diversity_reals"]
    assert arrays["comparison_spectrum"].shape == arrays["comparison_spectrum_reals"].shape == (16,)
    save_training_set(drawings, [*map(str, range(48))])
    assert inspect()[1]["comparison"] == found


def test_a_network_that_does_not_copy(inspect: Inspect, drawings: np.ndarray) -> None:
    save_model()
    save_training_set(np.concatenate([drawings[:6], drawings[:6, :, ::-1]]), "abcdef")
    arrays, figures = inspect()
    assert figures["copies"]["copies"] == 0
    assert figures["copies"]["nearest_median_same_species"] < figures["copies"]["nearest_median"]
    assert arrays["copies_distances"].shape == (MAX_SEARCHED,)
    assert arrays["copies_to_own"].shape == arrays["copies_to_others"].shape == (12,)
    assert arrays["copies_neighbours"].shape == (6, 5, 32, 32, 3)


def test_an_aegan_has_all_sections(inspect: Inspect, drawings: np.ndarray) -> None:
    write("colour")
    save_model(encoder=True)
    pictures = np.load("pictures.npy")
    save_training_set(np.concatenate([drawings[:4], pictures[:8]]), "abcdef")
    arrays, figures = inspect("aegan")
    parts = {"copies", "latent", "recon", "filters"}
    assert {key.partition("_")[0] for key in arrays} - {"comparison"} == parts
    assert arrays["latent_paths"].shape == (6, 8, 32, 32, 3)
    assert arrays["recon_between"].shape == (4, 8, 32, 32, 3)
    # The last picture repeats the first.
    assert figures["reconstruction"]["pictures"] == len(pictures)
    assert figures["reconstruction"]["trained_on"] >= 9
    # The discriminator has its initial weights.
    found = figures["discriminator"]
    assert (found["filters_likeness"], found["filters"]) == (1, 4)
    assert found["gain_accuracy"] == found["gain_water_auc"] == 0
    assert found["trained_accuracy"] == found["untrained_accuracy"] > 0.9
    assert (arrays["filters_trained"] == arrays["filters_untrained"]).all()


def test_equal_inputs_give_equal_bytes_and_another_seed_does_not(
    inspect: Inspect, workspace: Path
) -> None:
    save_model(encoder=True)

    def outputs() -> list[bytes]:
        inspect("aegan")
        return [Path(name).read_bytes() for name in OUTPUTS]

    first = outputs()
    assert outputs() == first
    set_params(workspace, {"seed": 2})
    assert not set(outputs()) & set(first)


def test_the_moving_average_generates(inspect: Inspect) -> None:
    save_model(average=True)
    arrays, _ = inspect()
    for name in ("latent_paths", "copies_generated"):
        assert (arrays[name] == 128).all()
    assert (arrays["latent_changes"] == 0).all()


def test_few_pictures_and_latents_of_one_number(inspect: Inspect, drawings: np.ndarray) -> None:
    write("colour", lines=2)
    save_model(latent_dim=1, encoder=True)
    save_training_set(drawings[:3], "777")
    arrays, figures = inspect("aegan")
    assert "copies" not in figures["copies"]
    assert arrays["copies_neighbours"].shape[:2] == (6, 3)
    assert not [key for key in arrays if key.startswith("latent_") or key == "recon_between"]
    assert len(arrays["recon_spaced_errors"]) == len(arrays["recon_picture_errors"]) == 9
    assert not [key for key in figures["discriminator"] if "accuracy" in key]


@pytest.mark.parametrize("kind", [None, "AnotherKind"])
def test_without_a_discriminator_of_a_known_kind(inspect: Inspect, kind: str | None) -> None:
    save_model()
    config = json.loads(Path("model/config.json").read_text())
    discriminator = config["networks"].pop("discriminator")
    if kind:
        config["networks"]["discriminator"] = {**discriminator, "kind": kind}
    Path("model/config.json").write_text(json.dumps(config))
    arrays, figures = inspect()
    assert "discriminator" not in figures
    assert not [key for key in arrays if key.startswith(("filters", "recon"))]


def test_errors_are_one_sentence_and_nothing_is_written(
    stage: Stage, inspect: Inspect, drawings: np.ndarray
) -> None:
    command = ("inspect", "dcgan819", *INPUTS, *OUTPUTS)
    assert_one_sentence(stage(*command), "model", "config.json is missing")
    save_model()
    Path("training.npy").unlink()
    assert_one_sentence(stage(*command), "training.npy is missing", "dvc repro")
    np.save("training.npy", drawings[:7])
    assert_one_sentence(stage(*command), "training.csv has 6 rows for 7 images")
    for file in ("training.npy", "pictures.npy"):
        images = np.load(file)
        np.save(file, images.repeat(2, axis=1).repeat(2, axis=2))
        assert_one_sentence(stage(*command), f"{file} holds images of 64×64 pixels", "32×32")
        np.save(file, images)
    np.save("training.npy", drawings[:6])
    Path("model/discriminator.safetensors").unlink()
    assert_one_sentence(stage(*command), "discriminator.safetensors is missing")
    assert not Path(OUTPUTS[0]).exists()
    assert not Path(OUTPUTS[1]).exists()
