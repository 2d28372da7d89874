from math import log

import pytest
import torch

from pokegan.compute.randomness import Streams
from pokegan.training.losses import Labels, bce_loss, nonsaturating_loss


def test_cross_entropy_by_hand() -> None:
    """σ(ln 3) = 3/4; against 0.85 and 0.15 the mean of −y ln p − (1 − y) ln (1 − p)."""
    logits = torch.tensor([log(3), log(3)])
    expected = -(log(3 / 4) + log(1 / 4)) / 2
    assert bce_loss(logits, torch.tensor([0.85, 0.15])).item() == pytest.approx(expected)


def test_labels_beyond_one_keep_the_loss_linear() -> None:
    logit = torch.tensor([0.5])
    at = [bce_loss(logit, torch.tensor([label])).item() for label in (0.0, 0.6, 1.2)]
    assert at[2] - at[1] == pytest.approx(at[1] - at[0], rel=1e-5)


def test_generator_loss_by_hand() -> None:
    assert nonsaturating_loss(torch.tensor([0.0])).item() == pytest.approx(log(2))
    assert nonsaturating_loss(torch.tensor([log(3)])).item() == pytest.approx(-log(3 / 4))
    assert nonsaturating_loss(torch.tensor([-200.0])).item() == pytest.approx(200)


def test_labels_of_the_report() -> None:
    """True ones: 95 % around 0.85, 5 % around 0.15, both ± 0.15; false ones the reverse."""
    labels, count = Labels(0.85, 0.15, 0.15, 0.05), 200_000
    real = labels.sample(count, Streams(0), real=True)
    fake = labels.sample(count, Streams(0), real=False)
    assert real.mean().item() == pytest.approx(0.95 * 0.85 + 0.05 * 0.15, abs=2e-3)
    assert fake.mean().item() == pytest.approx(0.95 * 0.15 + 0.05 * 0.85, abs=2e-3)
    variance = 0.15**2 + 0.05 * 0.95 * 0.7**2
    assert real.var().item() == pytest.approx(variance, rel=0.02)


def test_labels_without_tricks_are_hard() -> None:
    labels = Labels(1, 0, 0, 0)
    assert labels.sample(5, Streams(0), real=True).tolist() == [1] * 5
    assert labels.sample(5, Streams(0), real=False).tolist() == [0] * 5
    assert Labels(1, 0, 0, 1).sample(5, Streams(0), real=True).tolist() == [0] * 5


def test_turning_the_noise_does_not_reshuffle_the_swaps() -> None:
    quiet = Labels(1, 0, 0.0, 0.3).sample(1000, Streams(7), real=True) < 0.5
    noisy = Labels(1, 0, 0.01, 0.3).sample(1000, Streams(7), real=True) < 0.5
    assert torch.equal(quiet, noisy)
    assert 200 < quiet.sum() < 400
