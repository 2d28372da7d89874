from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.training.common import EVERYTHING, equal, make_training, weights


@pytest.mark.parametrize(
    ("name", "optimizer", "stop"),
    [
        ("dcgan819", "adam", 1),
        ("dcgan819", "rmsprop", 4),
        ("dcgan819", "adam", 7),
        ("aegan", "rmsprop", 1),
        ("aegan", "adam", 4),
        ("aegan", "adam", 7),
    ],
)
def test_a_resumed_training_ends_with_the_same_weights(
    drawings: np.ndarray, tmp_path: Path, name: str, optimizer: str, stop: int
) -> None:
    """Interrupted within an epoch, at its end, and within the next; through a file and back."""
    changes: dict[str, Any] = {**EVERYTHING, "optimizer": optimizer}
    straight = make_training(drawings, name, **changes)
    expected = [(each.step, each.means) for each in straight.run()]

    first = make_training(drawings, name, **changes)
    results = first.run()
    before = [(each.step, each.means) for each in (next(results) for _ in range(stop))]
    torch.save(first.state_dict(), tmp_path / "state")
    torch.rand(5)  # other use of the global generator
    second = make_training(drawings, name, **changes)
    second.load_state_dict(torch.load(tmp_path / "state", weights_only=True))
    after = [(each.step, each.means) for each in second.run()]

    assert "generator_ema.layers.1.weight" in weights(second)
    assert equal(weights(straight), weights(second))
    assert before + after == expected
