import numpy as np
import pytest
import torch
from torch import Tensor

from pokegan.analysis.latent_space import (
    DEGREES,
    closed_path,
    differences,
    explore_latent_space,
    rotate,
    spherical_path,
)
from pokegan.compute.randomness import Streams
from pokegan.core.errors import PipelineError
from pokegan.networks.sampling import generate_images, sample_latents
from tests.analysis.conftest import untrained


def rotated(angle: float) -> Tensor:
    """A latent of length 3 at an angle from the first axis towards the second."""
    return 3 * torch.tensor([np.cos(angle), np.sin(angle), 0.0, 0.0], dtype=torch.float32)


@pytest.mark.parametrize("angle", [1e-6, 0.01, np.pi / 2, 2.5, np.pi - 1e-3])
def test_a_spherical_path_has_constant_angular_speed(angle: float) -> None:
    positions = np.linspace(0, 1, 7)
    path = spherical_path(rotated(0), rotated(angle), positions)
    assert path.dtype == torch.float32
    expected = torch.stack([rotated(share * angle) for share in positions])
    torch.testing.assert_close(path, expected, rtol=0, atol=2e-6)


def test_opposite_and_equal_latents_have_a_path() -> None:
    positions = np.linspace(0, 1, 5)
    path = spherical_path(rotated(0), -rotated(0), positions)
    torch.testing.assert_close(path.norm(dim=1), torch.full((5,), 3.0))
    torch.testing.assert_close(path[[0, -1]], torch.stack([rotated(0), -rotated(0)]))
    assert abs(path[2] @ rotated(0)) < 1e-5
    assert torch.equal(path, spherical_path(rotated(0), -rotated(0), positions))
    torch.testing.assert_close(
        spherical_path(rotated(1), rotated(1), positions), rotated(1).expand(5, 4)
    )


def test_lengths_change_linearly() -> None:
    path = spherical_path(rotated(0), 3 * rotated(2), np.array([0, 0.5, 1]))
    torch.testing.assert_close(path.norm(dim=1), torch.tensor([3.0, 6.0, 9.0]))
    torch.testing.assert_close(path[1] / 2, rotated(1))


def test_a_latent_without_direction_is_an_error() -> None:
    for first, second in [(rotated(0), torch.zeros(4)), (torch.ones(1), -torch.ones(1))]:
        with pytest.raises(PipelineError, match="no spherical path"):
            spherical_path(first, second, np.linspace(0, 1, 3))


def test_a_closed_path_returns_to_its_first_latent() -> None:
    z = sample_latents(3, 8, Streams(1)["samples"])
    rows = closed_path(z, 5, with_ends=True)
    assert rows.shape == (3, 5, 8)
    torch.testing.assert_close(rows[:, 0], z)
    torch.testing.assert_close(rows[:, -1], z.roll(-1, 0))
    loop = closed_path(z, 5, with_ends=False).flatten(0, 1)
    assert len(torch.unique(loop, dim=0)) == 15
    steps = (loop - loop.roll(-1, 0)).norm(dim=1).reshape(3, 5)
    # Steps along an arc of linearly changing length are similar, including the last one.
    assert (steps.max(dim=1).values < 1.5 * steps.min(dim=1).values).all()


def test_a_rotation_keeps_the_length() -> None:
    z, towards = sample_latents(10, 8, Streams(1)["samples"]).split(5)
    degrees = np.array([0, 5, 30, 90, 180])
    around = rotate(z, towards, degrees)
    assert around.shape == (5, 5, 8)
    torch.testing.assert_close(around[:, 0], z)
    torch.testing.assert_close(around[:, 4], -z)
    torch.testing.assert_close(around.norm(dim=2), z.norm(dim=1)[:, None].expand(5, 5))
    cosines = torch.cosine_similarity(around, z[:, None], dim=2)
    expected = torch.from_numpy(np.cos(np.radians(degrees))).float().expand(5, 5)
    torch.testing.assert_close(cosines, expected)
    # In the plane of both latents, towards the second.
    for latent, other, found in zip(z, towards, around[:, 2], strict=True):
        assert torch.linalg.matrix_rank(torch.stack([latent, other, found]), rtol=1e-5) == 2
    assert ((around[:, 3] * towards).sum(dim=1) > 0).all()


def test_differences_are_means_over_an_image() -> None:
    black, white = np.zeros((2, 4, 4, 3), np.uint8), np.full((2, 4, 4, 3), 255, np.uint8)
    white[1, :2] = 51
    assert differences(black, white) == pytest.approx([1, 0.6])
    assert differences(white, black) == pytest.approx([1, 0.6])
    assert (differences(white, white) == 0).all()


def test_images_on_paths_and_in_neighborhoods() -> None:
    generator = untrained("generator")
    arrays = explore_latent_space(generator, 8, Streams(1))
    paths, around, changes = arrays["paths"], arrays["neighbourhoods"], arrays["changes"]
    z = sample_latents(6, 8, Streams(1)["path latents"])
    ends = generate_images(generator, z).numpy().astype(int)
    assert paths.shape == (6, 8, 32, 32, 3)
    assert np.abs(paths[:, 0] - ends).max() <= 1
    assert np.abs(paths[:, -1] - np.roll(ends, -1, axis=0)).max() <= 1
    # All directions start at one latent; the two latents differ.
    assert around.shape == (2, 3, 8, 32, 32, 3)
    assert (around[:, :, 0] == around[:, :1, 0]).all()
    assert (around[0, 0, 0] != around[1, 0, 0]).any()
    # The greater the angle, the greater the change.
    assert arrays["degrees"].tolist() == list(DEGREES)
    far = np.abs(around - around[:, :, :1].astype(float)).mean(axis=(0, 1, 3, 4, 5))
    for distances in (far, changes):
        assert distances[0] == 0
        assert (np.diff(distances) > 0).all()
    assert changes[1] < 0.2 * changes[-1]
