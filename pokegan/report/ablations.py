"""Ablations: networks with changed parameters, compared with a baseline of several seeds."""

import base64
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from statistics import mean, stdev
from typing import Annotated, Any

from pydantic import Field

from pokegan.core.experiments import Value, evaluation, experiment_command
from pokegan.core.files import read_json, reading
from pokegan.core.params import load_yaml, validate
from pokegan.core.schema import EncoderName, Section
from pokegan.metrics.names import metric_name

RESULTS = Path("reports/ablations")
# Scores of a table by name, with their number of decimals.
TITLES = {
    "fd": ("Fréchet distance", 1),
    "precision": ("precision", 2),
    "recall": ("recall", 2),
    "coverage": ("coverage", 2),
    "near_duplicates": ("near-duplicates", 2),
    "checkerboard": ("checkerboard, %", 2),
}
CONFIDENCE = 0.95
Identifier = Annotated[str, Field(pattern=r"^[A-Za-z0-9][\w-]*$")]


class Row(Section):
    """A network with changed parameters, trained once per seed."""

    name: Identifier
    title: str
    network: str
    seeds: Annotated[list[int], Field(min_length=1)]
    overrides: dict[str, Value | list[Value]] = Field(default_factory=dict)
    question: str = ""  # heading; rows of the same question are consecutive
    baseline: str = ""  # name of the row to compare with; "": none
    meaning: str = ""  # of the result, in one sentence


class AblationFile(Section):
    """Rows to compare by an encoder, and the page (.md) with their results."""

    name: Identifier
    encoder: EncoderName
    page: str = Field(pattern=r"\.md$")
    title: str
    introduction: str
    rows: Annotated[list[Row], Field(min_length=1)]

    def jobs(self) -> Iterator[tuple[Row, int]]:
        """Yield each row with each of its seeds, the first seeds first."""
        for number in range(max(len(row.seeds) for row in self.rows)):
            yield from ((row, row.seeds[number]) for row in self.rows if number < len(row.seeds))

    def experiment(self, row: Row, seed: int) -> str:
        """Return the name of the experiment of a row with a seed."""
        return f"{self.name}-{row.name}-{seed}"

    def arguments(self, row: Row, seed: int) -> tuple[str, dict[str, object], str]:
        """Return name, changed parameters and stage of the experiment."""
        values: dict[str, object] = {"seed": seed, **row.overrides}
        return self.experiment(row, seed), values, evaluation(row.network)

    @property
    def folder(self) -> Path:
        """Folder with the results."""
        return RESULTS / self.name


@dataclass(frozen=True)
class RowResults:
    """Results of a row, and its distance from a baseline.

    Attributes:
        results: one per seed that has been trained.
        difference: of the mean Fréchet distance to the baseline's, in standard deviations of the
            baseline over its seeds; None without a baseline of at least two seeds.
        limit: half the width of the interval in which as many other trainings of the baseline would
            lie with a probability of 95 %, in the same unit (t distribution).
    """

    row: Row
    results: list[dict[str, Any]]
    picture: Path
    command: str
    cells: dict[str, str]
    difference: float | None
    limit: float

    @property
    def picture_uri(self) -> str:
        """The samples as a data URI."""
        with reading(self.picture):
            content = self.picture.read_bytes()
        return f"data:image/webp;base64,{base64.b64encode(content).decode()}"

    @property
    def is_separated(self) -> bool:
        """Whether the difference exceeds the noise between trainings."""
        return self.difference is not None and abs(self.difference) > self.limit


def read_ablation(file: Path) -> AblationFile:
    """Read the rows of a file; raise a PipelineError if they are wrong."""
    return validate(AblationFile, load_yaml(file), file)


def results_file(folder: Path, row: Row, seed: int) -> Path:
    """Return the file with the results of a row with a seed; samples are beside it (.webp)."""
    return folder / f"{row.name}-{seed}.json"


def by_question(described: AblationFile, folder: Path) -> dict[str, list[RowResults]]:
    """Return question → rows that have results in a folder, below baselines of other questions."""
    known = {row.name: _results(folder, row) for row in described.rows}
    found: dict[str, RowResults] = {}
    for row in (row for row in described.rows if known[row.name]):
        with reading(folder / f"{row.name}-*.json"):
            found[row.name] = _row_results(described, folder, row, known)
    groups: dict[str, list[RowResults]] = {}
    for question, group in groupby(found.values(), key=lambda each: each.row.question):
        rows = list(group)
        baselines = dict.fromkeys(each.row.baseline for each in rows)
        above = [found[name] for name in baselines if name in found]
        groups[question] = [each for each in above if each not in rows] + rows
    return groups


def protocol(described: AblationFile, groups: dict[str, list[RowResults]]) -> str:
    """Describe how the rows were scored, and on which machine they were trained."""
    results = [each for rows in groups.values() for row in rows for each in row.results]
    pictures, device, threads, precision = (
        " or ".join(sorted({str(each[key]) for each in results}))
        for key in ("pictures", "device_name", "threads", "precision")
    )
    limits = dict.fromkeys(
        f"±{row.limit:.1f} for {row.row.baseline}"
        for rows in groups.values()
        for row in rows
        if row.difference is not None
    )
    differences = (
        " Differences are in standard deviations of the baseline over its seeds; bold: outside of "
        "the interval in which another training of the baseline lies with 95 % "
        f"({', '.join(limits)})."
    )
    return (
        f"Scores by {described.encoder}, {pictures} pictures per side, beside the distance of real "
        "pictures to others. Mean ± standard deviation over seeds. "
        f"{device}, {precision}, threads: {threads}.{differences if limits else ''}"
    )


def _results(folder: Path, row: Row) -> list[dict[str, Any]]:
    files = [results_file(folder, row, seed) for seed in row.seeds]
    return [read_json(file) for file in files if file.exists()]


def _row_results(
    described: AblationFile, folder: Path, row: Row, known: dict[str, list[dict[str, Any]]]
) -> RowResults:
    from scipy.stats import t as student

    results = known[row.name]
    base = _values(known.get(row.baseline, []), "fd", described.encoder)
    difference, limit, n = None, 0.0, len(base)
    if n > 1:
        found = mean(_values(results, "fd", described.encoder))
        difference = (found - mean(base)) / (stdev(base) or 1)
        limit = float(student.ppf((1 + CONFIDENCE) / 2, n - 1)) * (1 / len(results) + 1 / n) ** 0.5
    cells = {
        "seeds": str(len(results)),
        "pictures seen": f"{mean(each['pictures_seen'] for each in results):,.0f}",
        "minutes": f"{mean(each['seconds'] for each in results) / 60:.1f}",
    }
    for score, (title, digits) in TITLES.items():
        values = _values(results, score, described.encoder)
        spread = f" ± {stdev(values):.{digits}f}" if len(values) > 1 else ""
        cells[title] = f"{mean(values):.{digits}f}{spread}" if values else "–"
        if score == "fd":
            cells["difference"] = "–" if difference is None else f"{difference:+.1f}"
            real = _values(results, score, described.encoder, "_reals")
            cells["real pictures"] = f"{mean(real):.1f}"
    seed = next(seed for seed in row.seeds if results_file(folder, row, seed).exists())
    command = shlex.join(experiment_command(*described.arguments(row, seed)))
    picture = results_file(folder, row, seed).with_suffix(".webp")
    return RowResults(row, results, picture, command, cells, difference, limit)


def _values(results: list[dict[str, Any]], score: str, encoder: str, kind: str = "") -> list[float]:
    key = score if score == "checkerboard" else metric_name(score, encoder) + kind
    return [each[key] for each in results if key in each]
