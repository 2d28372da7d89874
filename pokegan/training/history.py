"""What happened in a training: history.csv, a row a reading, samples.npz, and the snapshots."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pokegan.core.files import atomic_write

if TYPE_CHECKING:
    import torch

    from pokegan.training.loop import StepResult

HISTORY = "history.csv"
Row = dict[str, float | int]
# Step, epoch, and the weights of the generator that drew then.
Snapshot = tuple[int, float, dict[str, "torch.Tensor"]]


class Story:
    """Rows and samples so far, in FOLDER.

    The history grows on the disk while the network trains, so that a person can watch it; its last
    two columns, seconds and pictures_per_second, are the only ones that differ from run to run.
    """

    def __init__(self, folder: Path, batch_size: int) -> None:
        self.rows: list[Row] = []
        self._folder = folder
        self._batch_size = batch_size
        self._epochs: list[float] = []
        self._samples: list[torch.Tensor] = []
        self.snapshots: list[Snapshot] = []
        folder.mkdir(parents=True, exist_ok=True)
        self._write()

    def add(self, moment: StepResult, seconds: float) -> Row | None:
        """Take MOMENT in, SECONDS of training after the start; the row that it made, if any."""
        if moment.samples is not None:
            self._epochs.append(moment.epoch)
            self._samples.append(moment.samples)
        if moment.generator is not None:
            self.snapshots.append((moment.step, moment.epoch, moment.generator))
        if moment.means is None:
            return None
        before: Row = self.rows[-1] if self.rows else {"step": 0, "seconds": 0.0}
        pictures = (moment.step - before["step"]) * self._batch_size
        row: Row = {
            "epoch": moment.epoch,
            "step": moment.step,
            **moment.means,
            "seconds": seconds,
            "pictures_per_second": pictures / max(seconds - before["seconds"], 1e-9),
        }
        self.rows.append(row)
        try:
            with (self._folder / HISTORY).open("a", encoding="utf-8", newline="") as file:
                self._rows_to(file, [row], header=file.tell() == 0)
        except OSError as fault:  # no reason to stop a training: the end writes all rows
            click.echo(f"Warning: {self._folder / HISTORY}: {fault.strerror}.", err=True)
        return row

    def readings(self) -> Iterator[tuple[Row, torch.Tensor | None]]:
        """The rows so far, each with the samples of its moment, if it has any."""
        samples = dict(zip(self._epochs, self._samples, strict=True))
        for row in self.rows:
            yield row, samples.get(row["epoch"])

    def finish(self, examples: Mapping[str, torch.Tensor]) -> None:
        """Write the history as a whole, and samples.npz.

        That holds epochs (S,), pictures (S, 64, R, R, 3) uint8, and EXAMPLES of what the
        discriminator sees, where that is not the pictures as they are.
        """
        import numpy as np
        import torch

        self._write()

        with atomic_write(self._folder / "samples.npz") as temporary, temporary.open("wb") as file:
            arrays: dict[str, Any] = {name: each.numpy() for name, each in examples.items()}
            pictures = torch.stack(self._samples).numpy()
            np.savez_compressed(file, epochs=np.array(self._epochs), pictures=pictures, **arrays)

    def state_dict(self) -> dict[str, Any]:
        """All of it, for a checkpoint."""
        return {
            "rows": self.rows,
            "epochs": self._epochs,
            "samples": self._samples,
            "snapshots": self.snapshots,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Be as STATE was, on the disk, too."""
        self.rows, self._epochs, self._samples = state["rows"], state["epochs"], state["samples"]
        self.snapshots = state["snapshots"]
        self._write()

    def _write(self) -> None:
        with (
            atomic_write(self._folder / HISTORY) as temporary,
            temporary.open("w", encoding="utf-8", newline="") as file,
        ):
            self._rows_to(file, self.rows, header=True)

    @staticmethod
    def _rows_to(file: Any, rows: list[Row], header: bool) -> None:
        if rows:
            writer = csv.DictWriter(file, rows[0], lineterminator="\n")
            if header:
                writer.writeheader()
            for row in rows:
                writer.writerow(
                    {k: v if isinstance(v, int) else f"{v:.6g}" for k, v in row.items()}
                )
