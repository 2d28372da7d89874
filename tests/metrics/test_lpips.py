import numpy as np
import pytest
import torch
from torch.nn import functional
from torchvision.transforms.v2.functional import gaussian_blur

from pokegan.encoders.alexnet import Encoder
from pokegan.metrics.lpips import Vectors, lpips_distances, lpips_diversity, products

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return Encoder(CPU)


@pytest.fixture(scope="module")
def vectors(encoder: Encoder) -> Vectors:
    return encoder.lpips_vectors


def test_vectors_have_the_distance_of_the_definition(
    encoder: Encoder, drawings: np.ndarray
) -> None:
    """Zhang et al. 2018, eq. 1: weighted squared differences of unit features, averaged."""
    images = torch.from_numpy(drawings[:2])
    expected = torch.zeros(())
    for maps, head in zip(encoder.maps(images), encoder.heads, strict=True):
        unit = functional.normalize(maps, dim=1)
        expected = expected + (head[0] * (unit[0] - unit[1]) ** 2).sum(dim=0).mean()
    first, second = encoder.lpips_vectors(images)
    torch.testing.assert_close((first - second).square().sum(), expected)


def test_distances_of_equal_and_of_mirrored_images_are_zero(
    vectors: Vectors, drawings: np.ndarray
) -> None:
    distances = lpips_distances(vectors, drawings[:40, :, ::-1], drawings[:35], CPU)
    assert distances.shape == (40, 35)
    assert distances.diagonal() == pytest.approx(0, abs=1e-5)
    assert (distances.argmin(axis=1)[:35] == np.arange(35)).all()


def test_stronger_damage_gives_a_larger_distance(vectors: Vectors, drawings: np.ndarray) -> None:
    images = torch.from_numpy(drawings[:8]).permute(0, 3, 1, 2)
    damaged = [gaussian_blur(images, 9, [sigma]) for sigma in (0.5, 1.0, 2.0)]
    rows = [each.permute(0, 2, 3, 1).numpy() for each in damaged]
    weak, middle, strong = (
        lpips_distances(vectors, each, drawings[:8], CPU).diagonal().mean() for each in rows
    )
    assert 0 < weak < middle < strong


def test_large_images_are_reduced(vectors: Vectors, drawings: np.ndarray) -> None:
    images, larger = (drawings[:2].repeat(n, axis=1).repeat(n, axis=2) for n in (2, 4))
    distances = lpips_distances(vectors, images, larger, CPU)
    assert distances.diagonal().max() < distances[0, 1] / 10


def test_diversity_is_the_mean_distance_of_all_pairs(
    vectors: Vectors, drawings: np.ndarray
) -> None:
    rows = vectors(torch.from_numpy(drawings[:7]))
    expected = torch.pdist(rows).square().mean().item()
    assert lpips_diversity(vectors, drawings[:7], CPU) == pytest.approx(expected, rel=1e-4)
    assert lpips_diversity(vectors, drawings[:1].repeat(5, axis=0), CPU) == pytest.approx(0)


def test_bf16_changes_distances_little_and_features_not_at_all(
    encoder: Encoder, drawings: np.ndarray
) -> None:
    approximate = Encoder(CPU, "bf16")
    found, exact = (
        lpips_distances(each.lpips_vectors, drawings[:20], drawings[:40], CPU)
        for each in (approximate, encoder)
    )
    assert found.dtype == np.float32
    assert found.diagonal() == pytest.approx(0, abs=1e-5)
    others = ~np.eye(20, 40, dtype=bool)
    assert found[others] == pytest.approx(exact[others], rel=0.03)
    assert not np.array_equal(found, exact)
    images = torch.from_numpy(drawings[:2])
    assert torch.equal(approximate(images)[0], encoder(images)[0])


def test_products_of_bf16_factors_have_sums_in_fp32() -> None:
    """Integers up to 256 are exact in bf16, their products are not."""
    factors = torch.arange(257.0).reshape(1, -1)
    with products("bf16"):
        found = factors @ factors.T
    assert found == factors.square().sum()
    assert found.bfloat16() != found
    before = torch.backends.mkldnn.matmul.fp32_precision  # type: ignore[attr-defined]
    with pytest.raises(RuntimeError), products("bf16"):
        raise RuntimeError
    assert torch.backends.mkldnn.matmul.fp32_precision == before  # type: ignore[attr-defined]
