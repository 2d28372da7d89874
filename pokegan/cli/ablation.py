"""Run the rows of an ablation as DVC experiments, keep their results, and write a page of them."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from statistics import mean, stdev
from typing import TYPE_CHECKING, Annotated, Any

import click
from filelock import FileLock, Timeout
from pydantic import Field

from pokegan.cli.experiments import (
    Value,
    check,
    command,
    committed,
    evaluation,
    revision,
    run_experiment,
)
from pokegan.core.errors import PipelineError
from pokegan.core.files import atomic_write, read_json, save_json
from pokegan.core.params import digest, load_yaml, validate
from pokegan.core.provenance import root
from pokegan.core.schema import EncoderName, Section

if TYPE_CHECKING:
    import numpy as np

RESULTS = Path("reports/ablations")
SCORES = {
    "fd": "Fréchet distance", "precision": "precision", "recall": "recall",
    "near_duplicates": "near-duplicates",
}  # fmt: skip
# Facts of run.json that a result keeps.
FACTS = ("seconds", "pictures_per_second", "device_name", "threads", "precision", "torch")
N_SHOWN = 16
Identifier = Annotated[str, Field(pattern=r"^[A-Za-z0-9][\w-]*$")]


class Row(Section):
    """A network with changed parameters, trained once per seed."""

    name: Identifier
    title: str
    network: str
    seeds: Annotated[list[int], Field(min_length=1)]
    overrides: dict[str, Value | list[Value]] = Field(default_factory=dict)


class AblationFile(Section):
    """Rows to compare by an encoder, and the page with their results."""

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

    def file(self, row: Row, seed: int) -> Path:
        """Return the file with its results."""
        return RESULTS / self.name / f"{row.name}-{seed}.json"


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("names", metavar="[ROW]...", nargs=-1)
def ablation(file: Path, names: tuple[str, ...]) -> None:
    """Compare networks with changed parameters.

    FILE describes rows: a network, changed parameters, seeds. Each is a DVC experiment,
    NAME-ROW-SEED, whose results are kept in reports/ablations/NAME/. Results that exist are not
    computed again, so the same command continues an ablation that was stopped. Two calls at the
    same time share the rows. Without a ROW, all are run. At last, the page that FILE names is
    written from all results.

    \b
    pokegan ablation studies/ladder.yaml
    """  # noqa: D301
    described = validate(AblationFile, load_yaml(file), file)
    known = [row.name for row in described.rows]
    if unknown := [name for name in names if name not in known]:
        raise PipelineError(f"{file} has no row {unknown[0]!r}; it has {', '.join(known)}.")
    overrides = {key: value for row in described.rows for key, value in row.overrides.items()}
    check(file, (row.network for row in described.rows), described.encoder, overrides)
    for row, seed in described.jobs():
        if not names or row.name in names:
            complete(described, row, seed)
    write_page(described)


def complete(described: AblationFile, row: Row, seed: int) -> None:
    """Run a row with a seed, unless its results exist or another process runs it."""
    target, experiment = described.file(row, seed), described.experiment(row, seed)
    lock = root() / ".work" / f"{experiment}.lock"
    lock.parent.mkdir(exist_ok=True)
    try:
        with FileLock(lock, timeout=0):
            if target.exists() and read_json(target)["overrides"] == row.overrides:
                return
            if not (revision(experiment) and is_same(experiment, row)):
                run_experiment(*described.arguments(row, seed))
            save_results(described, row, seed)
    except Timeout:
        click.echo(f"{experiment} is run by another process.", err=True)


def is_same(experiment: str, row: Row) -> bool:
    """Return whether an experiment was run with the parameters of a row."""
    params = json.loads(committed(experiment, f"reports/networks/{row.network}/run.json"))["params"]
    return all(params.get(key, value) == value for key, value in row.overrides.items())


def save_results(described: AblationFile, row: Row, seed: int) -> None:
    """Write scores and facts of an experiment, and some of its samples."""
    import dvc.api
    import numpy as np

    from pokegan.core.grids import grid, to_image

    experiment, folder = described.experiment(row, seed), f"reports/networks/{row.network}"
    facts = json.loads(committed(experiment, f"{folder}/run.json"))
    scores = json.loads(committed(experiment, f"{folder}/scores.json"))
    content = dvc.api.read(f"{folder}/samples.npz", rev=experiment, mode="rb")
    with np.load(io.BytesIO(content)) as stored:
        last: np.ndarray = stored["pictures"][-1][:N_SHOWN]
    target = described.file(row, seed)
    with atomic_write(target.with_suffix(".webp")) as temporary:
        to_image(grid(last, N_SHOWN)).save(temporary, "WEBP", quality=80)
    result = {
        "network": row.network,
        "seed": seed,
        "params_md5": digest(facts["params"]),
        "overrides": row.overrides,
        "pictures_seen": round(facts["epochs"] * facts["pictures"]),
        **{key: facts[key] for key in FACTS},
        **scores,
    }
    save_json(target, result)


def write_page(described: AblationFile) -> None:
    """Write the page: a table of all results, and samples and command of each row."""
    lines, details, all_results = [], [], []
    for row in described.rows:
        files = [described.file(row, seed) for seed in row.seeds]
        results = [read_json(file) for file in files if file.exists()]
        if results:
            all_results += results
            lines.append(table_row(described, row, results))
            details += describe(described, row, files[0])
    if not all_results:
        raise PipelineError(f"There are no results in {RESULTS / described.name}; run all rows.")
    head = ["row", "seeds", "pictures seen", "minutes", *SCORES.values()]
    table = [head, ["---", *["---:"] * (len(head) - 1)], *lines]
    reference = all_results[0]
    used = {key: {str(each[key]) for each in all_results} for key in FACTS}
    device, threads, precision = (
        " or ".join(sorted(used[key])) for key in ("device_name", "threads", "precision")
    )
    protocol = (
        f"Scores by {described.encoder}, {reference['pictures']} pictures per side; real against "
        f"real pictures: {reference[f'fd_{described.encoder}_reals']:.1f}. Mean ± standard "
        f"deviation over seeds. {device}, {precision}, threads: {threads}."
    )
    parts = [
        f"# {described.title}",
        described.introduction.strip(),
        protocol,
        "\n".join(f"| {' | '.join(cells)} |" for cells in table),
        *details,
    ]
    with atomic_write(Path(described.page)) as temporary:
        temporary.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    click.echo(f"{described.page}: {len(lines)} of {len(described.rows)} rows", err=True)


def table_row(described: AblationFile, row: Row, results: list[dict[str, Any]]) -> list[str]:
    """Return the cells of a row: facts, and scores over its seeds."""
    seen = mean(each["pictures_seen"] for each in results)
    minutes = mean(each["seconds"] for each in results) / 60
    cells = [row.title, str(len(results)), f"{seen:,.0f}", f"{minutes:.1f}"]
    for score in SCORES:
        values = [each[f"{score}_{described.encoder}"] for each in results]
        digits = 1 if score == "fd" else 2
        spread = f" ± {stdev(values):.{digits}f}" if len(values) > 1 else ""
        cells.append(f"{mean(values):.{digits}f}{spread}")
    return cells


def describe(described: AblationFile, row: Row, file: Path) -> list[str]:
    """Return the samples of a row's first seed, and the command that reproduces it."""
    picture = Path(*[".."] * len(Path(described.page).parent.parts), file.with_suffix(".webp"))
    words = command(*described.arguments(row, row.seeds[0]))
    return [
        f"## {row.title}",
        f"![Samples]({picture.as_posix()})",
        f"```console\n{' '.join(words)}\n```",
    ]
