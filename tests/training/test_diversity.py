import pytest
import torch

from pokegan.training.diversity import has_collapsed, nearest_distance


def test_nearest_distance_by_hand() -> None:
    """Three gray images of 0, 51 and 255: the nearest are 51, 51 and 204 away, of 255."""
    grays = torch.tensor([0, 51, 255], dtype=torch.uint8).reshape(3, 1, 1, 1).expand(3, 4, 4, 3)
    assert nearest_distance(grays) == pytest.approx((51 + 51 + 204) / 3 / 255)
    assert nearest_distance(grays.repeat(2, 1, 1, 1)) == 0


def test_a_collapse_is_a_low_or_falling_diversity() -> None:
    assert not has_collapsed(0.01, 0.01, step=5)  # an untrained generator
    assert has_collapsed(0.09, 0.09, step=1000)
    assert not has_collapsed(0.4, 0.9, step=1000)
    assert has_collapsed(0.29, 0.9, step=100)
