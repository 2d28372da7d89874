import numpy as np
import pytest
import torch
from torch.nn import functional
from torchvision.transforms.v2.functional import gaussian_blur

from pokegan.core.errors import PipelineError
from pokegan.metrics import lpips
from pokegan.metrics.lpips import Lpips, lpips_distances

CPU = torch.device("cpu")


def test_vectors_have_the_distance_of_the_definition(drawings: np.ndarray) -> None:
    """Zhang et al. 2018, eq. 1: weighted squared differences of unit features, averaged."""
    network, images = Lpips(), torch.from_numpy(drawings[:2])
    maps: list[torch.Tensor] = []
    for layer in network.layers:
        layer.register_forward_hook(lambda _, __, output: maps.append(output))
    first, second = network(images)
    expected = torch.zeros(())
    for features, head in zip(maps, network.heads, strict=True):
        unit = functional.normalize(features, dim=1)
        expected = expected + (head[0] * (unit[0] - unit[1]) ** 2).sum(dim=0).mean()
    torch.testing.assert_close((first - second).square().sum(), expected)


def test_distances_of_equal_and_of_mirrored_images_are_zero(drawings: np.ndarray) -> None:
    distances = lpips_distances(drawings[:40, :, ::-1], drawings[:35], CPU)
    assert distances.shape == (40, 35)
    assert distances.diagonal() == pytest.approx(0, abs=1e-5)
    assert (distances.argmin(axis=1)[:35] == np.arange(35)).all()


def test_stronger_damage_gives_a_larger_distance(drawings: np.ndarray) -> None:
    images = torch.from_numpy(drawings[:8]).permute(0, 3, 1, 2)
    damaged = [gaussian_blur(images, 9, [sigma]) for sigma in (0.5, 1.0, 2.0)]
    rows = [each.permute(0, 2, 3, 1).numpy() for each in damaged]
    weak, middle, strong = (
        lpips_distances(each, drawings[:8], CPU).diagonal().mean() for each in rows
    )
    assert 0 < weak < middle < strong


def test_large_images_are_reduced(drawings: np.ndarray) -> None:
    images, larger = (drawings[:2].repeat(n, axis=1).repeat(n, axis=2) for n in (2, 4))
    distances = lpips_distances(images, larger, CPU)
    assert distances.diagonal().max() < distances[0, 1] / 10


def test_changed_and_missing_weights_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lpips, "SHA256", 64 * "0")
    with pytest.raises(PipelineError, match="alex_shift_tolerant.pth has the sha256 b356b382f"):
        Lpips()
    monkeypatch.setattr(lpips, "find_spec", lambda name: None)
    with pytest.raises(PipelineError, match="stlpips_pytorch is not installed"):
        Lpips()
