"""Train the rows of docs/ladder.md as DVC experiments, and write the table from their results.

python docs/ladder.py run [ROW …]    # experiments that do not exist yet; all rows by default
python docs/ladder.py table          # docs/ladder.md and docs/ladder.webp, from those that do
"""

import io
import json
import subprocess
from pathlib import Path
from statistics import mean, stdev
from typing import Any, NamedTuple

import click
import dvc.api
import numpy as np

from pokegan.core.grids import grid, to_image

ENCODER = "effnet_lite0"
SCORES = ("fd", "precision", "recall", "near_duplicates")
N_SHOWN = 16
PAGE = Path(__file__).with_suffix(".md")

EMA = ("ema_half_life=5000",)
AUGMENTED = (*EMA, "augmentation.translation=0.125", "augmentation.cutout=0.2")
HINGE = (*AUGMENTED, "loss=hinge", "normalization_discriminator=none")
PENALTY = (*HINGE, "r1=1")
INTRODUCTION = """# From the report's DCGAN to a projected GAN

Each row adds one change to the row above. All train on the 819 pictures for about the same time
with {threads} thread(s) on {processor}. Scores by EfficientNet-Lite0, {pictures} pictures
per side; real against real pictures: {real}. Mean ± standard deviation over seeds, where a row has
several. Written by `python docs/ladder.py table` from the DVC experiments of
`python docs/ladder.py run`.
"""


class Row(NamedTuple):
    """A row of the table: a network with overrides, trained once per seed."""

    name: str
    title: str
    network: str
    overrides: tuple[str, ...]
    seeds: int = 1

    @property
    def folder(self) -> str:
        """Folder of the network's results."""
        return f"reports/networks/{self.network}"

    def experiment(self, seed: int) -> str:
        """Name of the DVC experiment with a seed."""
        return f"ladder-{self.name}-{seed}"

    def command(self, seed: int) -> list[str]:
        """Command that runs it."""
        settings = [f"{self.network}.{each}" for each in self.overrides]
        settings += [] if seed == 1 else [f"seed={seed}"]
        options = [word for each in settings for word in ("-S", each)]
        target = f"evaluate_pokemon819@{self.network}-{ENCODER}"
        return ["dvc", "exp", "run", "--temp", "-n", self.experiment(seed), *options, target]


# Epochs of equal duration, from the speed of each row on one core.
ROWS = (
    Row("report", "the report's DCGAN", "dcgan819", ("epochs=11.5",), seeds=3),
    Row("ema", "+ moving average of the generator", "dcgan819", ("epochs=11.5", *EMA)),
    Row("diffaugment", "+ DiffAugment", "dcgan819", ("epochs=10.8", *AUGMENTED)),
    Row(
        "hinge",
        "+ hinge loss, no batch norm in D, no label noise",
        "dcgan819",
        ("epochs=11.8", *HINGE),
    ),
    Row("r1", "+ R1", "dcgan819", ("epochs=10.9", *PENALTY)),
    Row(
        "upsampling",
        "+ nearest upsampling",
        "dcgan819",
        ("epochs=9", *PENALTY, "upsampling=nearest"),
    ),
    Row(
        "features64",
        "projected GAN, features of 64 pixels",
        "projected",
        ("epochs=26.6", "feature_resolution=64"),
    ),
    Row(
        "features96",
        "projected GAN, features of 96 pixels",
        "projected",
        ("epochs=21.6", "feature_resolution=96"),
        seeds=3,
    ),
    Row(
        "features128",
        "projected GAN, features of 128 pixels",
        "projected",
        ("epochs=15", "feature_resolution=128"),
    ),
)


def finished() -> set[str]:
    """Return the names of the experiments that exist."""
    command = ["dvc", "exp", "list", "--all-commits", "--name-only"]
    return set(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split())


@click.group()
def main() -> None:
    """Train the rows of docs/ladder.md, or write it."""


@main.command()
@click.argument("names", nargs=-1, type=click.Choice([row.name for row in ROWS]))
def run(names: tuple[str, ...]) -> None:
    """Train and score the rows NAMES, all by default."""
    for row in ROWS:
        for seed in range(1, row.seeds + 1):
            if (not names or row.name in names) and row.experiment(seed) not in finished():
                subprocess.run(row.command(seed), check=True)


@main.command()
def table() -> None:
    """Write docs/ladder.md and docs/ladder.webp."""
    names = finished()
    lines: list[tuple[list[str], str]] = []  # cells, command
    strips, results = [], []
    for row in ROWS:
        seeds = [n for n in range(1, row.seeds + 1) if row.experiment(n) in names]
        if not seeds:
            continue
        found = [read(row, row.experiment(seed)) for seed in seeds]
        results += found
        minutes = mean(each["seconds"] for each in found) / 60
        speed = mean(each["pictures_per_second"] for each in found)
        cells = [cell([each[f"{score}_{ENCODER}"] for each in found]) for score in SCORES]
        seen = f"{60 * minutes * speed:,.0f}"
        facts = [row.title, str(len(seeds)), seen, f"{minutes:.1f}"]
        lines.append(([*facts, *cells], " ".join(row.command(1))))
        strips.append(samples(row, row.experiment(seeds[0])))
    to_image(grid(np.concatenate(strips), N_SHOWN)).save(PAGE.with_suffix(".webp"), quality=80)
    PAGE.write_text(page(lines, results), encoding="utf-8")


def read(row: Row, experiment: str) -> dict[str, Any]:
    """Return facts of a training and its final scores."""
    files = f"{row.folder}/run.json", f"{row.folder}/scores/{ENCODER}.json"
    return {k: v for file in files for k, v in json.loads(content(file, experiment)).items()}


def content(file: str, experiment: str) -> bytes:
    """Return the content of a file of an experiment."""
    return bytes(dvc.api.read(file, rev=experiment, mode="rb"))


def samples(row: Row, experiment: str) -> np.ndarray:
    """Return the first samples of the last snapshot, uint8 (N_SHOWN, R, R, 3)."""
    with np.load(io.BytesIO(content(f"{row.folder}/samples.npz", experiment))) as stored:
        last: np.ndarray = stored["pictures"][-1][:N_SHOWN]
    return last


def cell(values: list[float]) -> str:
    """Return the mean, with the standard deviation of several values."""
    digits = 1 if mean(values) > 10 else 2
    spread = f" ± {stdev(values):.{digits}f}" if len(values) > 1 else ""
    return f"{mean(values):.{digits}f}{spread}"


def page(lines: list[tuple[list[str], str]], results: list[dict[str, Any]]) -> str:
    """Return the text of docs/ladder.md, from rows of the table with their commands."""
    first = results[0]
    text = INTRODUCTION.format(
        threads=first["threads"],
        processor=first["device_name"],
        pictures=first["pictures"],
        real=f"{first[f'fd_{ENCODER}_reals']:.1f}",
    )
    head = "row", "seeds", "pictures seen", "minutes", "Fréchet distance", *SCORES[1:]
    table = [head, ["---", *["---:"] * (len(head) - 1)], *(cells for cells, _ in lines)]
    text += "\n" + "\n".join(f"| {' | '.join(row)} |" for row in table) + "\n"
    text += "\n![Samples of each row, from top to bottom](ladder.webp)\n"
    return text + "".join(
        f"\n{cells[0]}:\n\n```console\n{command}\n```\n" for cells, command in lines
    )


if __name__ == "__main__":
    main()
