"""Results of the networks, as the stages write them to reports/networks/."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pokegan.core.errors import PipelineError
from pokegan.core.files import load_arrays, read_json, read_table, reading

ENCODERS = {
    "effnet_lite0": "EfficientNet-Lite0",
    "alexnet": "AlexNet",
    "inception": "Inception (FID)",
    "dinov2": "DINOv2",
}


@dataclass(frozen=True)
class NetworkResults:
    """Results of a trained network."""

    folder: Path
    run: dict[str, Any]
    history: pd.DataFrame
    samples: dict[str, np.ndarray]  # arrays of samples.npz
    scores: dict[str, Any]  # values of scores.json; may be empty
    curves: pd.DataFrame  # scores over the training; may be empty
    inspection: dict[str, Any]  # values of inspection.json, arrays of inspection.npz; may be empty
    missing: list[Path]  # files of scores and inspection that do not exist

    @property
    def name(self) -> str:
        """Name of the network in dvc.yaml."""
        return self.folder.name

    @property
    def augmentation(self) -> list[str]:
        """Augmentation of the discriminator's inputs: operations with their strengths."""
        prefix = f"{self.name}.augmentation."
        values = {
            key.removeprefix(prefix): value
            for key, value in self.run["params"].items()
            if key.startswith(prefix)
        }
        probability = values.pop("probability", 0)
        return [f"{kind} {value:g}" for kind, value in values.items() if value and probability]

    @property
    def settings(self) -> dict[str, Any]:
        """Parameters of the training; "….lr" is the network's own, "lr" the shared one."""
        prefix = rf"^{re.escape(self.name)}\."
        return {re.sub(prefix, "….", key): value for key, value in self.run["params"].items()}

    @property
    def duration(self) -> str:
        """Duration of the training, with a unit."""
        seconds = self.run["seconds"]
        if seconds < 90:
            return f"{seconds:.0f} s"
        return f"{seconds / 60:.1f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def read_results(
    folder: Path, names: Iterable[str]
) -> tuple[list[NetworkResults], dict[str, Path]]:
    """Read the results of networks from their subfolders.

    Returns the trained networks, and for each of the others the first file that is missing. Raises
    a PipelineError if a file is damaged, or no network is trained.
    """
    trained: list[NetworkResults] = []
    untrained: dict[str, Path] = {}
    for name in names:
        missing = _missing(folder / name, "run.json", "history.csv", "samples.npz")
        if missing:
            untrained[name] = missing[0]
        else:
            trained.append(_read(folder / name))
    if not trained:
        raise PipelineError(
            f"{next(iter(untrained.values()))} is missing; run `dvc repro`, which trains first."
        )
    return trained, untrained


def _read(folder: Path) -> NetworkResults:
    missing = _missing(folder, "inspection.json", "inspection.npz")
    inspection: dict[str, Any] = {}
    if not missing:
        inspection |= load_arrays(folder / "inspection.npz")
        inspection |= read_json(folder / "inspection.json")
    absent = _missing(folder, "scores.json", "scores.csv")
    scores, curves = {}, pd.DataFrame()
    if not absent:
        scores, curves = read_json(folder / "scores.json"), read_table(folder / "scores.csv")
    return NetworkResults(
        folder=folder,
        run=read_json(folder / "run.json"),
        history=read_table(folder / "history.csv"),
        samples=load_arrays(folder / "samples.npz"),
        scores=scores,
        curves=curves,
        inspection=inspection,
        missing=missing + absent,
    )


def _missing(folder: Path, *names: str) -> list[Path]:
    with reading(folder):  # not missing, if a folder cannot be searched
        return [folder / name for name in names if not (folder / name).is_file()]
