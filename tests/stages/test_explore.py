"""The stage that looks into latent spaces, on networks that were never trained."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pokegan.compute.randomness import Streams
from pokegan.core.params import read_params
from pokegan.gans.dcgan import Dcgan
from pokegan.networks.sampling import from_uint8, generate_images, sample_latents
from pokegan.networks.weights import load_network, save_networks
from stages.explore import DEGREES, rebuilt
from tests.cli.test_common import save_model
from tests.conftest import Stage, assert_one_sentence, set_params

DCGAN = ("explore", "dcgan819", "dcgan", "d.npz")
BACK = ("--reals", "reals.npy", "--trained-on", "trained_on.npy", "--errors", "e.json")
AEGAN = ("explore", "aegan", "aegan", "a.npz", *BACK)


@pytest.fixture
def models(workspace: Path, drawings: np.ndarray) -> Path:
    """A DCGAN, an AEGAN, 20 true pictures; of those 12 and two mirrored it was trained on."""
    save_model(workspace / "dcgan")
    save_model(workspace / "aegan", "aegan")
    np.save("reals.npy", drawings[:20])
    mirrored = drawings[:2, :, ::-1]
    np.save("trained_on.npy", np.concatenate([drawings[30:], drawings[8:20], mirrored]))
    return workspace


def found(file: str) -> dict[str, np.ndarray]:
    with np.load(file) as stored:
        return dict(stored)


def test_rows_lead_from_a_latent_to_the_next_and_back(stage: Stage, models: Path) -> None:
    said = stage(*DCGAN)
    assert said.exit_code == 0, said.output
    paths = found("d.npz")["paths"]
    assert paths.shape == (6, 8, 32, 32, 3)
    z = sample_latents(6, 8, Streams(1)["path latents"])
    drawn = generate_images(load_network(Path("dcgan"), "generator"), z).numpy().astype(int)
    assert np.abs(paths[:, 0] - drawn).max() <= 1
    assert np.abs(paths[:, -1] - np.roll(drawn, -1, axis=0)).max() <= 1
    content = Path("d.npz").read_bytes()
    assert stage(*DCGAN).exit_code == 0
    assert Path("d.npz").read_bytes() == content
    set_params(models, {"seed": 2})
    assert stage(*DCGAN).exit_code == 0
    assert (found("d.npz")["paths"] != paths).any()


def test_neighbours_move_away_little_by_little(stage: Stage, models: Path) -> None:
    assert stage(*DCGAN).exit_code == 0
    told = found("d.npz")
    around = told["neighbourhoods"]
    assert around.shape == (2, 3, 8, 32, 32, 3)
    assert told["degrees"].tolist() == list(DEGREES)
    # All directions begin at the same latent; the two latents differ.
    assert (around[:, :, 0] == around[:, :1, 0]).all()
    assert (around[0, 0, 0] != around[1, 0, 0]).any()
    far = np.abs(around - around[:, :, :1].astype(float)).mean(axis=(0, 1, 3, 4, 5))
    assert far[0] == 0
    assert (np.diff(far) > 0).all()
    assert (np.diff(told["changes"]) > 0).all()
    assert told["changes"][0] == 0
    assert told["changes"][1] < 0.2 * told["changes"][-1]


def test_a_moving_average_draws(stage: Stage, models: Path) -> None:
    gan = Dcgan(read_params("dcgan819").dcgan819, 0.0002, 32, Streams(1))
    average = Dcgan(read_params("dcgan819").dcgan819, 0.0002, 32, Streams(1)).generator
    for weights in average.parameters():
        torch.nn.init.zeros_(weights)
    descriptions = {**gan.configs, "generator_ema": gan.configs["generator"]}
    networks = {**gan.networks, "generator_ema": average}
    facts = {"latent_dim": 8, "resolution": 32}
    save_networks(models / "averaged", networks, descriptions, facts)
    assert stage("explore", "dcgan819", "averaged", "d.npz").exit_code == 0
    told = found("d.npz")
    assert (told["paths"] == 128).all()
    assert (told["changes"] == 0).all()


def test_true_pictures_come_back_as_the_networks_make_them(
    stage: Stage, models: Path, drawings: np.ndarray
) -> None:
    said = stage(*AEGAN)
    assert said.exit_code == 0, said.output
    told, figures = found("a.npz"), json.loads(Path("e.json").read_text())
    reals = drawings[:20]
    generator, encoder = (load_network(models / "aegan", each) for each in ("generator", "encoder"))

    def again(pictures: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            z = encoder(from_uint8(torch.from_numpy(pictures.copy())))
        return generate_images(generator, z).numpy()

    def errors(first: np.ndarray, second: np.ndarray) -> np.ndarray:
        return np.abs(first / 255 - second / 255).mean(axis=(1, 2, 3))

    assert {"paths", "neighbourhoods", "between"} <= set(told)
    mirrored = reals[:, :, ::-1]
    expected = errors(again(reals), reals)
    np.testing.assert_allclose(told["picture_errors"], expected)
    np.testing.assert_allclose(told["mirrored_errors"], errors(again(mirrored), mirrored))
    mean = np.broadcast_to(reals.mean(axis=0), reals.shape)
    np.testing.assert_allclose(told["mean_errors"], errors(mean, reals), atol=0.002)
    z = sample_latents(20, 8, Streams(1)["cycle latents"])
    drawn = generate_images(generator, z).numpy()
    np.testing.assert_allclose(told["unrelated_errors"], errors(drawn, reals))
    with torch.no_grad():
        cycle = encoder(from_uint8(torch.from_numpy(drawn))) - z
    np.testing.assert_allclose(told["latent_errors"], cycle.norm(dim=1), rtol=1e-5)

    assert figures["pictures"] == 20
    assert figures["trained_on"] == 12
    assert figures["mirrored_trained_on"] == 2
    assert figures["picture_error"] == pytest.approx(expected.mean(), rel=1e-5)
    assert figures["picture_error_median"] == pytest.approx(np.median(expected), rel=1e-5)
    assert figures["picture_error_mirrored"] == pytest.approx(told["mirrored_errors"].mean(), 1e-5)
    assert figures["picture_error_of_mean"] == pytest.approx(told["mean_errors"].mean(), 1e-5)
    assert figures["nearer_than_mean"] == (expected < told["mean_errors"]).mean()
    assert figures["latent_error"] == pytest.approx(float(cycle.norm(dim=1).mean()), 1e-5)
    assert figures["latent_length"] == pytest.approx(float(z.norm(dim=1).mean()), 1e-5)

    order = expected.argsort(kind="stable")
    assert (told["best_originals"] == reals[order[:8]]).all()
    assert (told["worst_again"] == again(reals)[order[::-1][:8]]).all()
    assert len(told["spaced_originals"]) == 16
    assert (told["spaced_originals"][[0, -1]] == reals[[0, -1]]).all()
    between = told["between"]
    assert between.shape == (4, 8, 32, 32, 3)
    chosen = reals[[0, 6, 13, 19]]
    assert (between[:, 0] == chosen).all()
    assert (between[:, -1] == np.roll(chosen, -1, axis=0)).all()
    assert np.abs(between[:, 1].astype(int) - again(chosen)).max() <= 1
    assert np.abs(between[:, -2].astype(int) - again(np.roll(chosen, -1, axis=0))).max() <= 1

    before = [Path(name).read_bytes() for name in ("a.npz", "e.json")]
    assert stage(*AEGAN).exit_code == 0
    assert [Path(name).read_bytes() for name in ("a.npz", "e.json")] == before


class Pixels(nn.Module):
    """Latents that are pictures: a generator and, turned round, its perfect encoder."""

    def __init__(self, back: bool) -> None:
        super().__init__()
        self.anything = nn.Parameter(torch.zeros(1))
        self._back = back

    def forward(self, given: Tensor) -> Tensor:
        return given.flatten(1) if self._back else given.unflatten(1, (3, 32, 32))


def test_networks_that_undo_each_other_make_no_error(drawings: np.ndarray) -> None:
    z = torch.rand(48, 3 * 32 * 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    told, figures = rebuilt(Pixels(back=False), Pixels(back=True), drawings, z)
    for name in ("picture_error", "picture_error_greatest", "picture_error_mirrored"):
        assert figures[name] == 0
    assert figures["nearer_than_mean"] == 1
    assert (told["worst_again"] == told["worst_originals"]).all()
    # No more than rounding to 255 steps: uniform within half a step of 2/255, so a step / √12.
    rounding = (z.shape[1] ** 0.5) * 2 / 255 / 12**0.5
    assert figures["latent_error"] == pytest.approx(rounding, rel=0.02)


@pytest.mark.parametrize("count", [2, 9])
def test_few_pictures_are_enough(stage: Stage, models: Path, count: int) -> None:
    np.save("reals.npy", np.load("reals.npy")[:count])
    said = stage(*AEGAN)
    assert said.exit_code == 0, said.output
    told = found("a.npz")
    assert len(told["spaced_errors"]) == count
    assert len(told["worst_errors"]) == min(8, count)


def test_a_single_number_has_no_directions(stage: Stage, models: Path) -> None:
    set_params(models, {"aegan.latent_dim": 1})
    gan = save_model_of_one_number(models / "narrow")
    assert stage("explore", "aegan", str(gan), "a.npz", *BACK).exit_code == 0
    told = found("a.npz")
    assert not {"paths", "neighbourhoods", "between"} & set(told)
    assert len(told["picture_errors"]) == 20


def save_model_of_one_number(folder: Path) -> Path:
    from pokegan.gans.aegan import Aegan

    gan: Any = Aegan(read_params("aegan").aegan, 0.0002, 32, Streams(1))
    facts = {"latent_dim": 1, "resolution": 32}
    save_networks(folder, gan.networks, gan.configs, facts)
    return folder


def test_faults_are_one_sentence_and_write_nothing(stage: Stage, models: Path) -> None:
    assert_one_sentence(stage("explore", "aegan", "none", "x.npz"), "none is no trained model")
    without = stage("explore", "dcgan819", "dcgan", "x.npz", *BACK)
    assert_one_sentence(without, "dcgan has no network 'encoder'")
    half = stage("explore", "aegan", "aegan", "x.npz", "--reals", "reals.npy")
    assert half.exit_code == 2
    assert "--reals, --trained-on and --errors go together" in half.output
    np.save("reals.npy", np.zeros((4, 64, 64, 3), np.uint8))
    assert_one_sentence(stage(*AEGAN), "reals.npy holds pictures of 64 pixels", "trained on 32")
    Path("trained_on.npy").unlink()
    np.save("reals.npy", np.zeros((4, 32, 32, 3), np.uint8))
    assert_one_sentence(stage(*AEGAN), "trained_on.npy is missing")
    assert not list(Path().glob("*.npz"))
    assert not Path("e.json").exists()
