from typing import Any

import numpy as np
import pytest
import torch

from pokegan.networks.sampling import to_uint8
from pokegan.training.loop import DivergedError, Schedule
from tests.conftest import STRENGTHS, augmentation
from tests.training.common import EVERYTHING, equal, make_training, weights


@pytest.mark.parametrize("name", ["dcgan819", "aegan"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("changes", [{}, EVERYTHING], ids=["plain", "everything"])
def test_equal_seeds_give_equal_weights(
    drawings: np.ndarray, name: str, precision: str, changes: dict[str, Any]
) -> None:
    results = []
    for _ in range(2):
        training = make_training(drawings, name, precision, **changes)
        list(training.run())
        results.append(weights(training))
    assert equal(*results)


@pytest.mark.parametrize("kinds", [[], STRENGTHS])
def test_a_generator_learns_the_background(drawings: np.ndarray, kinds: list[str]) -> None:
    """After 200 steps the corners, gray at first, are nearly white as in every real image.

    Augmentations do not leak: the discriminator gets the corners in every brightness.
    """
    changes = {"width": 16, "epochs": 50, "augmentation": augmentation(*kinds)}
    *_, last = make_training(drawings, lr=0.002, **changes).run()
    assert last.samples is not None
    assert last.samples[:, :3, :3].float().mean() > 200


@pytest.mark.parametrize(
    ("epochs", "snapshots", "steps", "expected"),
    [
        (2, 2, 8, [4, 8]),
        (0.5, 2, 2, [1, 2]),
        (0.01, 5, 1, [1]),
        (2.5, 3, 10, [4, 7, 10]),
        (1, 100, 4, [1, 2, 3, 4]),
    ],
)
def test_snapshots_are_evenly_spaced(
    epochs: float, snapshots: int, steps: int, expected: list[int]
) -> None:
    schedule = Schedule(images=50, batch_size=12, epochs=epochs, snapshots=snapshots)
    assert schedule.steps == steps
    assert [step for step in range(1, steps + 1) if schedule.is_snapshot(step)] == expected


def test_a_step_result_holds_means_and_samples_when_they_are_due(drawings: np.ndarray) -> None:
    training = make_training(drawings, epochs=2, snapshots=1)
    step, metrics = training.gan.step, []
    training.gan.step = lambda *args: metrics.append(step(*args)) or metrics[-1]  # type: ignore[method-assign]
    results = list(training.run())
    assert [each.step for each in results] == list(range(1, 9))
    assert [each.step for each in results if each.means] == [4, 8]
    assert [each.step for each in results if each.samples is not None] == [8]
    assert results[-1].epoch == 2
    means = results[3].means
    assert means is not None
    assert 0 <= means.pop("diversity") < 2
    assert means.pop("collapsed") == 0
    for name, mean in means.items():
        assert mean == pytest.approx(np.mean([float(each[name]) for each in metrics[:4]]), rel=1e-5)


def test_a_snapshot_is_a_copy_of_the_generator_that_makes_the_samples(drawings: np.ndarray) -> None:
    """Later steps leave it unchanged; it is the moving average where there is one."""
    training = make_training(drawings, **EVERYTHING)
    snapshots = [each.weights for each in training.run() if each.weights is not None]
    assert not torch.equal(*(each["layers.1.weight"] for each in snapshots))
    last = training.networks["generator_ema"].state_dict()
    assert equal(snapshots[-1], last)


def test_the_moving_average(drawings: np.ndarray) -> None:
    """The half-life is 5 % of the images seen until it reaches its value; buffers are copied."""
    training = make_training(drawings, ema_half_life=2, epochs=2)
    generator = training.gan.generator
    expected = {name: each.detach().clone() for name, each in generator.named_parameters()}
    half_lives = []
    for result in training.run():
        half_lives.append(min(2, 0.05 * result.step * 12))
        share = 0.5 ** (12 / half_lives[-1])
        for name, each in generator.named_parameters():
            expected[name] = share * expected[name] + (1 - share) * each.detach()
    assert len(set(half_lives)) > 2
    average = training.networks["generator_ema"]
    for name, each in average.named_parameters():
        torch.testing.assert_close(each, expected[name], atol=1e-6, rtol=0)
    for (_, copied), (_, buffer) in zip(
        average.named_buffers(), generator.named_buffers(), strict=True
    ):
        assert torch.equal(copied, buffer)
    assert training.configs["generator_ema"] == training.configs["generator"]
    assert "generator_ema" not in make_training(drawings).networks


def test_an_epoch_contains_every_image_once() -> None:
    numbers = torch.arange(48, dtype=torch.uint8).reshape(48, 1, 1, 1)
    training = make_training(numbers.expand(48, 32, 32, 3).contiguous().numpy(), epochs=2)
    step, received = training.gan.step, []

    def recorded(real: torch.Tensor, inputs: Any) -> dict[str, torch.Tensor]:
        received.extend(to_uint8(real)[:, 0, 0, 0].tolist())
        return step(real, inputs)

    training.gan.step = recorded  # type: ignore[method-assign]
    list(training.run())
    first, second = received[:48], received[48:]
    assert sorted(first) == sorted(second) == list(range(48))
    assert first != second


def test_a_divergence_is_reported_with_its_metric(drawings: np.ndarray) -> None:
    training = make_training(drawings, snapshots=1)
    step, steps = training.gan.step, iter(range(9))

    def diverge(*args: Any) -> dict[str, torch.Tensor]:
        metrics = step(*args)
        return metrics | ({"generator_gradient": torch.tensor(torch.inf)} if next(steps) else {})

    training.gan.step = diverge  # type: ignore[method-assign]
    message = r"generator_gradient became inf by step 4: .*lower lr"
    with pytest.raises(DivergedError, match=message):
        list(training.run())


def test_a_diverged_training_has_no_state_to_save(drawings: np.ndarray) -> None:
    training = make_training(drawings, snapshots=1)
    results = training.run()
    next(results)
    with torch.no_grad():
        next(training.networks["discriminator"].parameters()).fill_(torch.nan)
    next(results)
    with pytest.raises(DivergedError, match="became nan by step 2: the training has diverged"):
        training.state_dict()
