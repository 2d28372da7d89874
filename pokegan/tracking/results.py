"""Read what the stages left in the files that DVC tracks, in the form that MLflow stores.

dvc.lock holds the parameters; history.csv, run.json, samples.npz, scores.json, scores.csv and
inspection.json hold the results.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pokegan.core.params import flatten
from pokegan.tracking.lockfile import StageRun

if TYPE_CHECKING:
    import numpy as np
    from mlflow.entities import Metric

COLUMNS = 8  # of a grid of samples
RESULTS = re.compile(r"reports/.*\.(csv|json)")


@dataclass
class Results:
    """What an execution left in its small files; times in milliseconds."""

    started: int
    ended: int
    values: dict[str, Any]  # of the JSON files
    metrics: list[Metric]
    tags: dict[str, Any] = field(default_factory=dict)

    @property
    def scores(self) -> dict[str, float]:
        """The final scores: means, without spread and without those of real images."""
        spread = self.values.keys()
        return {key: self.values[key] for key in self.values if f"{key}_spread" in spread}

    @property
    def last_step(self) -> int:
        """The last step of the tables."""
        return max((point.step for point in self.metrics), default=0)


def read_results(execution: StageRun) -> Results | None:
    """Read the small files of an execution; None if one is missing or was changed since."""
    from mlflow.entities import Metric

    paths = [path for path in execution.outputs if RESULTS.fullmatch(path)]
    texts = {path: text for path in paths if (text := execution.text(path)) is not None}
    is_training = execution.stage.startswith("train@")
    if len(texts) < len(paths) or (is_training and not texts):  # no file outside of DVC
        return None
    values: dict[str, Any] = {}
    for path, text in texts.items():
        if path.endswith(".json"):
            values |= dict(flatten(json.loads(text)))
    started = ended = int(time.time() * 1000)
    if is_training:
        ended = int(datetime.fromisoformat(values["date"]).timestamp() * 1000)
        started = ended - int(1000 * values["seconds"])
    tables = {Path(path): text for path, text in texts.items() if path.endswith(".csv")}
    metrics = [point for path, text in tables.items() for point in _points(path, text, started)]
    results = Results(started, ended, values, metrics)
    known = {point.key for point in metrics}
    for key, value in values.items():
        if is_training or not isinstance(value, float):
            results.tags |= {} if key.startswith("params.") else {key: value}
        elif key not in known:
            results.metrics.append(Metric(key, value, ended, 0))
    return results


def _points(path: Path, text: str, started: int) -> Iterator[Metric]:
    """Yield each cell of a table at its step and, if it has seconds, at its time."""
    import pandas as pd
    from mlflow.entities import Metric

    skipped = ("epoch", "step") if path.name == "scores.csv" else ()
    for row in pd.read_csv(StringIO(text)).to_dict("records"):
        at = started + int(1000 * row.get("seconds", 0))
        for column, value in row.items():
            if column not in skipped:
                yield Metric(str(column), float(value), at, int(row["step"]))


def large_file(execution: StageRun) -> Path | None:
    """Return what DVC and not git stores, if it is on this machine: samples, or a scored model."""
    if execution.stage.startswith("train@"):
        return execution.intact(f"reports/networks/{execution.network}/samples.npz")
    return execution.intact(f"models/{execution.network}") if execution.network else None


def read_grids(samples: Path) -> Iterator[tuple[float, np.ndarray]]:
    """Yield the grids of samples.npz by epoch, uint8 (H, W, 3)."""
    import numpy as np

    from pokegan.core.grids import grid

    with np.load(samples, allow_pickle=False) as stored:
        for epoch, pictures in zip(stored["epochs"], stored["pictures"], strict=True):
            yield float(epoch), grid(pictures, COLUMNS)
