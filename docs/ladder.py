"""Train the rows of docs/ladder.md as DVC experiments, and write the table from their results.

    python docs/ladder.py run [ROW …]    # rows that are not finished, all by default
    python docs/ladder.py table          # docs/ladder.md and the pictures in docs/ladder/
"""

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import mean, stdev
from typing import Any, NamedTuple

import dvc.api
import numpy as np

from pokegan.core.grids import grid, to_image

ENCODER = "effnet_lite0"
METRICS = ("fd", "precision", "recall", "near_duplicates")
N_SHOWN = 16
FOLDER = Path(__file__).parent / "ladder"

AUGMENTED = ("augmentation.translation=0.125", "augmentation.cutout=0.2")
HINGE = ("loss=hinge", "normalization_discriminator=none")


class Row(NamedTuple):
    """A row of the table: a network with overrides, trained once per seed."""

    name: str
    title: str
    network: str
    overrides: tuple[str, ...]
    seeds: int = 1

    def experiment(self, seed: int) -> str:
        """Name of the DVC experiment with a seed."""
        return f"ladder-{self.name}-{seed}"

    def command(self, seed: int) -> list[str]:
        """Command that runs it."""
        settings = [f"{self.network}.{each}" for each in self.overrides]
        if seed != 1:
            settings.append(f"seed={seed}")
        options = [word for each in settings for word in ("-S", each)]
        target = f"evaluate_pokemon819@{self.network}-{ENCODER}"
        return ["dvc", "exp", "run", "--temp", "-n", self.experiment(seed), *options, target]


FAITHFUL = Row("faithful", "the report's DCGAN", "dcgan819", ("epochs=11.5",), seeds=3)
EMA = ("ema_half_life=5000",)
PENALTY = ("r1=1",)
ROWS = (
    FAITHFUL,
    Row("ema", "+ moving average of the generator", "dcgan819", ("epochs=11.5", *EMA)),
    Row("diffaugment", "+ DiffAugment", "dcgan819", ("epochs=10.8", *EMA, *AUGMENTED)),
    Row(
        "hinge",
        "+ hinge loss, no batch norm in D, no label noise",
        "dcgan819",
        ("epochs=11.8", *EMA, *AUGMENTED, *HINGE),
    ),
    Row("r1", "+ R1", "dcgan819", ("epochs=10.9", *EMA, *AUGMENTED, *HINGE, *PENALTY)),
    Row(
        "upsampling",
        "+ nearest upsampling",
        "dcgan819",
        ("epochs=9", *EMA, *AUGMENTED, *HINGE, *PENALTY, "upsampling=nearest"),
    ),
    Row("features64", "projected, features at 64 px", "projected",
        ("epochs=26.6", "feature_resolution=64")),
    Row("features96", "projected, features at 96 px", "projected",
        ("epochs=21.6", "feature_resolution=96")),
    Row("features128", "projected, features at 128 px (default)", "projected", (), seeds=3),
)


def finished() -> set[str]:
    """Return the names of the experiments that exist."""
    command = ["dvc", "exp", "list", "--all-commits", "--name-only"]
    return set(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split())


def run(rows: list[Row]) -> None:
    """Train and score the rows that are not finished."""
    for row in rows:
        for seed in range(1, row.seeds + 1):
            if row.experiment(seed) not in finished():
                subprocess.run(row.command(seed), check=True)
