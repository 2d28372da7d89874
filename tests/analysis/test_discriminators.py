import numpy as np
import pytest
import torch

from pokegan.analysis.appearance import foregrounds
from pokegan.analysis.discriminators import (
    calibrate,
    compare_with_untrained,
    filter_images,
    first_filters,
    layer_features,
    mean_similarity,
)
from pokegan.analysis.probing import Task
from pokegan.networks.sampling import from_uint8
from tests.analysis.conftest import untrained

DENSE = {"kind": "DenseDiscriminator", "spectral_norm": False}


def network(**changes: object) -> torch.nn.Module:
    return untrained("discriminator", **changes)


def test_features_are_the_pooled_maps_of_every_convolution(drawings: np.ndarray) -> None:
    discriminator = network()
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
    assert layer_features(network(**DENSE), drawings).shape == (48, 64 + 32 + 16)


def test_calibration_sets_running_statistics_and_nothing_else(drawings: np.ndarray) -> None:
    discriminator = network()
    before = {key: value.clone() for key, value in discriminator.state_dict().items()}
    calibrate(discriminator, drawings)
    after = {key: value.clone() for key, value in discriminator.state_dict().items()}
    changed = {key for key, value in before.items() if not torch.equal(value, after[key])}
    assert changed
    assert all("running_" in key or key.endswith("num_batches_tracked") for key in changed)
    assert not any(module.training for module in discriminator.modules())
    # One batch: the running mean is its mean.
    norm = next(each for each in discriminator.modules() if hasattr(each, "running_mean"))
    inputs: list[torch.Tensor] = []
    hook = norm.register_forward_hook(lambda _, given, __: inputs.append(given[0]))
    features = layer_features(discriminator, drawings)
    hook.remove()
    torch.testing.assert_close(
        norm.running_mean, inputs[0].mean(dim=(0, 2, 3)), rtol=1e-4, atol=1e-5
    )
    # Computing features changes nothing.
    assert (layer_features(discriminator, drawings) == features).all()
    assert all(torch.equal(each, after[key]) for key, each in discriminator.state_dict().items())


@pytest.mark.parametrize(("changes", "size"), [({}, 4), (DENSE, 32)])
def test_filters_are_images_with_gray_for_zero(changes: dict[str, object], size: int) -> None:
    filters = first_filters(network(**changes))
    images = filter_images(filters)
    assert images.shape == (min(64, len(filters)), size, size, 3)
    extremes = np.stack([images.min(axis=(1, 2, 3)), 255 - images.max(axis=(1, 2, 3))])
    assert (extremes.min(axis=0) == 0).all()
    filters = torch.zeros(1, 3, 2, 2)
    filters[0, 0, 1, 0], filters[0, 2, 0, 1] = 0.5, -0.25
    assert filter_images(filters)[0].tolist() == [
        [[128, 128, 128], [128, 128, 64]],
        [[255, 128, 128], [128, 128, 128]],
    ]


def test_similarity_is_the_mean_cosine() -> None:
    filters = torch.eye(4).reshape(4, 1, 2, 2)
    assert mean_similarity(filters, 3 * filters) == 1
    assert mean_similarity(filters, -filters) == -1
    assert mean_similarity(filters, filters.flip(0)) == 0


def test_a_discriminator_with_constant_filters_predicts_worse(drawings: np.ndarray) -> None:
    types = np.where(np.arange(48) % 2, "Fire", "Water")
    images = np.full_like(drawings, 255)
    for image, mask, name in zip(images, foregrounds(drawings), types, strict=True):
        image[mask] = (200, 0, 0) if name == "Fire" else (0, 0, 200)
    task = Task(np.arange(48), types, np.arange(48), 0, 0)
    trained = network()
    first = trained.features[0]
    first.parametrizations.weight.original.data.fill_(0.1)
    first.bias.data.zero_()
    arrays, figures = compare_with_untrained(trained, network(), images, task, seed=1)
    assert figures["filters_likeness"] < 0.9
    assert figures["untrained_accuracy"] > 0.8
    assert figures["trained_accuracy"] < 0.7
    gain = figures["trained_accuracy"] - figures["untrained_accuracy"]
    assert figures["gain_accuracy"] == pytest.approx(gain, abs=2e-4)
    assert len(np.unique(arrays["trained"])) == 1 < len(np.unique(arrays["untrained"]))


def test_without_types_there_are_filters_only(drawings: np.ndarray) -> None:
    task = Task(np.arange(48), np.full(48, "Fire"), np.arange(48), 0, 0)
    networks = network(**DENSE), network(seed=2, **DENSE)
    arrays, figures = compare_with_untrained(*networks, drawings, task, seed=1)
    assert arrays["trained"].shape == (64, 32, 32, 3)
    assert figures["filters"] == 64
    assert not [key for key in figures if "accuracy" in key]
