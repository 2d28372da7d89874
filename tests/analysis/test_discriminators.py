from __future__ import annotations

import numpy as np
import pytest
import torch

from pokegan.analysis.discriminators import (
    calibrate,
    filter_images,
    first_filters,
    inspect_discriminator,
    layer_features,
    mean_similarity,
)
from pokegan.analysis.probing import Task
from pokegan.compute.randomness import Streams
from pokegan.networks.factory import build_network
from pokegan.networks.sampling import from_uint8

CONVOLUTION = {"kind": "Discriminator", "width": 4, "resolution": 32, "spectral_norm": True}
DENSE = {"kind": "DenseDiscriminator", "width": 4, "resolution": 32}


def network(description: dict[str, object], seed: int = 1) -> torch.nn.Module:
    return build_network(dict(description), Streams(seed), "discriminator").eval()


def test_features_are_the_pooled_maps_of_every_convolution(drawings: np.ndarray) -> None:
    discriminator = network(CONVOLUTION)
    found = layer_features(discriminator, drawings)
    assert found.shape == (48, (4 + 8 + 16) * 4 * 4)
    assert found.dtype == np.float32
    with torch.no_grad():
        maps = discriminator.features[:2](from_uint8(torch.from_numpy(drawings)))
        last = discriminator.features(from_uint8(torch.from_numpy(drawings)))
    blocks = maps.reshape(48, 4, 4, 4, 4, 4).amax(dim=(3, 5))
    assert np.allclose(found[:, : 4 * 16], blocks.flatten(1), atol=1e-5)
    assert np.allclose(found[:, -16 * 16 :], last.flatten(1), atol=1e-5)


def test_dense_layers_count_as_they_are(drawings: np.ndarray) -> None:
    assert layer_features(network(DENSE), drawings).shape == (48, 64 + 32 + 16)


def test_calibrated_norms_know_the_pictures_and_nothing_else_changes(drawings: np.ndarray) -> None:
    discriminator = network(CONVOLUTION)
    before = {key: value.clone() for key, value in discriminator.state_dict().items()}
    calibrate(discriminator, drawings)
    after = discriminator.state_dict()
    moved = {key for key, value in before.items() if not torch.equal(value, after[key])}
    assert moved
    assert all("running_" in key or key.endswith("num_batches_tracked") for key in moved)
    assert not any(module.training for module in discriminator.modules())
    # One batch: its own mean and variance are what it is normalised by.
    norms = [each for each in discriminator.modules() if hasattr(each, "running_mean")]
    entering: list[torch.Tensor] = []
    hook = norms[0].register_forward_hook(lambda _, given, __: entering.append(given[0]))
    layer_features(discriminator, drawings)
    hook.remove()
    mean = entering[0].mean(dim=(0, 2, 3))
    torch.testing.assert_close(norms[0].running_mean, mean, rtol=1e-4, atol=1e-5)


def test_the_network_stays_as_it_was(drawings: np.ndarray) -> None:
    discriminator = network(CONVOLUTION)
    before = {key: value.clone() for key, value in discriminator.state_dict().items()}
    first = layer_features(discriminator, drawings)
    assert (layer_features(discriminator, drawings) == first).all()
    after = discriminator.state_dict()
    assert all(torch.equal(value, after[key]) for key, value in before.items())


@pytest.mark.parametrize(("description", "side"), [(CONVOLUTION, 4), (DENSE, 32)])
def test_filters_are_pictures_with_grey_for_zero(description: dict[str, object], side: int) -> None:
    filters = first_filters(network(description))
    pictures = filter_images(filters)
    assert pictures.shape == (min(64, len(filters)), side, side, 3)
    extremes = np.stack([pictures.min(axis=(1, 2, 3)), 255 - pictures.max(axis=(1, 2, 3))])
    assert (extremes.min(axis=0) == 0).all()
    by_hand = torch.zeros(1, 3, 2, 2)
    by_hand[0, 0, 1, 0], by_hand[0, 2, 0, 1] = 0.5, -0.25
    assert filter_images(by_hand)[0].tolist() == [
        [[128, 128, 128], [128, 128, 64]],
        [[255, 128, 128], [128, 128, 128]],
    ]


def test_likeness_is_the_mean_cosine() -> None:
    filters = torch.eye(4).reshape(4, 1, 2, 2)
    assert mean_similarity(filters, 3 * filters) == 1
    assert mean_similarity(filters, -filters) == -1
    assert mean_similarity(filters, filters.flip(0)) == 0


def test_training_changes_filters_and_scores(drawings: np.ndarray) -> None:
    """A trained discriminator whose first layer is constant predicts types by chance."""
    types = np.where(
        drawings.mean(axis=(1, 2, 3)) > np.median(drawings.mean(axis=(1, 2, 3))), "a", "b"
    )
    task = Task(np.arange(48), types, np.arange(48), {}, 0)
    trained, untrained = network(CONVOLUTION), network(CONVOLUTION)
    first = trained.features[0]
    first.parametrizations.weight.original.data.fill_(0.1)
    first.bias.data.zero_()
    arrays, figures = inspect_discriminator(trained, untrained, drawings, task, seed=1)
    assert figures["filters_likeness"] < 0.9
    assert figures["untrained_accuracy"] > 0.6
    gain = figures["trained_accuracy"] - figures["untrained_accuracy"]
    assert figures["gain_accuracy"] == pytest.approx(gain, abs=1e-4)
    assert len(np.unique(arrays["trained"])) == 1
    assert len(np.unique(arrays["untrained"])) > 1


def test_an_impossible_task_leaves_the_filters(drawings: np.ndarray) -> None:
    task = Task(np.arange(48), np.full(48, "a"), np.arange(48), {}, 0)
    arrays, figures = inspect_discriminator(network(DENSE), network(DENSE, 2), drawings, task, 1)
    assert arrays["trained"].shape == (64, 32, 32, 3)
    assert figures["filters"] == 64
    assert not [key for key in figures if "accuracy" in key]
