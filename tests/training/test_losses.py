from math import log

import pytest
import torch
from torch import nn

from pokegan.compute.randomness import Streams
from pokegan.training.losses import (
    Labels,
    LeCam,
    bce_loss,
    fake_loss,
    generator_loss,
    gradient_penalty,
    mean_probability,
    nonsaturating_loss,
    optimizer_step,
    real_loss,
    relativistic_loss,
)


def test_binary_cross_entropy_by_hand() -> None:
    """σ(ln 3) = 3/4; the mean of −y ln p − (1 − y) ln (1 − p) for labels 0.85 and 0.15."""
    logits = torch.tensor([log(3), log(3)])
    expected = -(log(3 / 4) + log(1 / 4)) / 2
    assert bce_loss(logits, torch.tensor([0.85, 0.15])).item() == pytest.approx(expected)
    assert mean_probability(logits).item() == pytest.approx(3 / 4)


def test_the_loss_is_linear_in_labels_beyond_one() -> None:
    losses = [bce_loss(torch.tensor([0.5]), torch.tensor([each])) for each in (0.0, 0.6, 1.2)]
    assert (losses[2] - losses[1]).item() == pytest.approx((losses[1] - losses[0]).item(), rel=1e-5)


def test_nonsaturating_loss_by_hand() -> None:
    assert nonsaturating_loss(torch.tensor([0.0])).item() == pytest.approx(log(2))
    assert nonsaturating_loss(torch.tensor([log(3)])).item() == pytest.approx(-log(3 / 4))
    assert nonsaturating_loss(torch.tensor([-200.0])).item() == pytest.approx(200)


@pytest.mark.parametrize(
    ("kind", "real", "fake", "generator"),
    [
        ("hinge", (0 + 1.5) / 2, (3 + 0.5) / 2, -(2 - 0.5) / 2),
        ("logistic", -(log(4 / 5) + log(1 / 3)) / 2, -(log(1 / 5) + log(2 / 3)) / 2, None),
    ],
)
def test_losses_without_labels_by_hand(
    kind: str, real: float, fake: float, generator: float | None
) -> None:
    """Logits of several positions: "hinge" of 2 and −1/2, "logistic" of ln 4 and −ln 2."""
    values = [2, -0.5] if kind == "hinge" else [log(4), -log(2)]
    logits = torch.tensor([values])
    assert real_loss(kind, logits).item() == pytest.approx(real)
    assert fake_loss(kind, logits).item() == pytest.approx(fake)
    expected = real if generator is None else generator
    assert generator_loss(kind, logits).item() == pytest.approx(expected)


def test_the_relativistic_loss_compares_pairs() -> None:
    """Differences ln 3 and 0."""
    real, fake = torch.tensor([log(6), 1.0]), torch.tensor([log(2), 1.0])
    expected = -(log(3 / 4) + log(1 / 2)) / 2
    assert relativistic_loss(real, fake).item() == pytest.approx(expected)
    other = -(log(1 / 4) + log(1 / 2)) / 2
    assert relativistic_loss(fake, real).item() == pytest.approx(other)


def test_the_gradient_penalty_of_a_quadratic() -> None:
    """D(x) = ½|x|² has the gradient x; the penalty passes gradients to D's parameters."""
    scale = nn.Parameter(torch.tensor(2.0))
    images = torch.arange(24.0).reshape(2, 3, 2, 2)
    penalty = gradient_penalty(lambda x: scale * x.square().sum((1, 2, 3)) / 2, images)
    norm = images.square().sum((1, 2, 3)).mean().item()
    assert penalty.item() == pytest.approx(4 * norm)
    penalty.backward()
    assert scale.grad is not None
    assert scale.grad.item() == pytest.approx(2 * 2 * norm)
    several = gradient_penalty(lambda x: x.square().flatten(1) / 2, images)
    assert several.item() == pytest.approx(norm / 12**2)


def test_the_lecam_penalty_by_hand() -> None:
    """Moving averages of the mean logits; only logits beyond the other class's mean count."""
    lecam = LeCam()
    real, fake = torch.tensor([1.0, -3.0]), torch.tensor([0.5, -2.5])
    means = torch.stack([real.mean(), fake.mean()]) * 0.01
    expected = (1 - means[1]).square() / 2 + (means[0] + 2.5).square() / 2
    assert lecam(real, fake).item() == pytest.approx(expected.item(), rel=1e-5)
    torch.testing.assert_close(lecam.means, means)
    lecam(real, fake)
    torch.testing.assert_close(lecam.means, means * (1 + 0.99))


def test_labels_of_the_report() -> None:
    """Real: 95 % have mean 0.85, 5 % have 0.15, both ± 0.15; fake the reverse."""
    labels, count = Labels(0.85, 0.15, 0.15, 0.05), 200_000
    real = labels.sample(count, Streams(0), real=True)
    fake = labels.sample(count, Streams(0), real=False)
    assert real.mean().item() == pytest.approx(0.95 * 0.85 + 0.05 * 0.15, abs=2e-3)
    assert fake.mean().item() == pytest.approx(0.95 * 0.15 + 0.05 * 0.85, abs=2e-3)
    variance = 0.15**2 + 0.05 * 0.95 * 0.7**2
    assert real.var().item() == pytest.approx(variance, rel=0.02)


def test_hard_labels() -> None:
    labels = Labels(1, 0, 0, 0)
    assert labels.sample(5, Streams(0), real=True).tolist() == [1] * 5
    assert labels.sample(5, Streams(0), real=False).tolist() == [0] * 5
    assert Labels(1, 0, 0, 1).sample(5, Streams(0), real=True).tolist() == [0] * 5


def test_noise_does_not_change_which_labels_are_swapped() -> None:
    without = Labels(1, 0, 0.0, 0.3).sample(1000, Streams(7), real=True) < 0.5
    with_noise = Labels(1, 0, 0.01, 0.3).sample(1000, Streams(7), real=True) < 0.5
    assert torch.equal(without, with_noise)
    assert 200 < without.sum() < 400


def test_a_step_changes_no_gradient_of_other_parameters() -> None:
    """Loss (3a)·b at a = 2, b = 5: the gradient of a is 15."""
    a, b = nn.Parameter(torch.tensor(2.0)), nn.Parameter(torch.tensor(5.0))
    norm = optimizer_step(torch.optim.SGD([a], lr=0.125), 3 * a * b)
    assert (norm.item(), a.item()) == (15, 0.125)
    assert b.grad is None
