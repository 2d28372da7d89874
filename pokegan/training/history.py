"""What a training records: history.csv, samples.npz and the snapshots of the generator."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from torch import Tensor

from pokegan.core.errors import PipelineError
from pokegan.core.files import save_arrays, save_text
from pokegan.training.loop import StepResult

Row = dict[str, float | int]
# Step, epoch, and the weights of the generator that made the samples.
Snapshot = tuple[int, float, dict[str, Tensor]]


class TrainingHistory:
    """Rows, samples and snapshots of a training.

    history.csv grows during the training. Only its last two columns, seconds and
    pictures_per_second, differ from run to run.
    """

    def __init__(self, folder: Path, batch_size: int) -> None:
        self.batch_size = batch_size
        self.rows: list[Row] = []
        self.snapshots: list[Snapshot] = []
        self._samples: list[Tensor] = []
        self._folder = folder
        self._write()

    def add(self, result: StepResult, seconds: float) -> Row | None:
        """Record a step, `seconds` after the start; return its row of history.csv, if any."""
        if result.samples is not None and result.weights is not None:
            self._samples.append(result.samples)
            self.snapshots.append((result.step, result.epoch, result.weights))
        if result.means is None:
            return None
        previous: Row = self.rows[-1] if self.rows else {"step": 0, "seconds": 0.0}
        images = (result.step - previous["step"]) * self.batch_size
        row: Row = {
            "epoch": result.epoch,
            "step": result.step,
            **result.means,
            "seconds": seconds,
            "pictures_per_second": images / max(seconds - previous["seconds"], 1e-9),
        }
        self.rows.append(row)
        try:
            self._write()
        except (PipelineError, OSError) as error:  # the next row, or `save`, writes it again
            click.echo(f"Warning: {error}", err=True)
        return row

    def save(self, examples: Mapping[str, Tensor]) -> None:
        """Write history.csv and samples.npz.

        samples.npz holds epochs (S,), pictures (S, 64, R, R, 3) uint8, and examples of the images
        that the discriminator receives, if they are augmented.
        """
        self._write()
        save_arrays(
            self._folder / "samples.npz",
            compress=True,
            epochs=np.array([epoch for _, epoch, _ in self.snapshots]),
            pictures=torch.stack(self._samples).numpy(),
            **{name: each.numpy() for name, each in examples.items()},
        )

    def state_dict(self) -> dict[str, Any]:
        """Return the whole history, for a checkpoint."""
        return {"rows": self.rows, "snapshots": self.snapshots, "samples": self._samples}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the history and rewrite history.csv."""
        self.rows, self.snapshots = state["rows"], state["snapshots"]
        self._samples = state["samples"]
        self._write()

    def _write(self) -> None:
        lines = [",".join(self.rows[0])] if self.rows else []
        for row in self.rows:
            values = (str(v) if isinstance(v, int) else f"{v:.6g}" for v in row.values())
            lines.append(",".join(values))
        save_text(self._folder / "history.csv", "".join(f"{line}\n" for line in lines))
