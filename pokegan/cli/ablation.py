"""Run the rows of an ablation as DVC experiments, keep their results, and write a page of them."""

from __future__ import annotations

import io
import json
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import click
from filelock import FileLock, Timeout

from pokegan.cli.experiments import check, committed, run_experiment
from pokegan.core.errors import PipelineError
from pokegan.core.files import atomic_write, read_json, round_sig, save_json, save_text
from pokegan.core.params import digest
from pokegan.core.provenance import root
from pokegan.core.signals import exit_by_signal
from pokegan.report.ablations import (
    AblationFile,
    Row,
    RowResults,
    by_question,
    protocol,
    read_ablation,
    results_file,
)

if TYPE_CHECKING:
    import numpy as np

# Facts of run.json that a result keeps.
FACTS = ("seconds", "pictures_per_second", "device_name", "threads", "precision", "torch")
N_SHOWN = 16


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
    described = read_ablation(file)
    known = [row.name for row in described.rows]
    if unknown := [name for name in names if name not in known]:
        raise PipelineError(f"{file} has no row {unknown[0]!r}; it has {', '.join(known)}.")
    overrides = {key: value for row in described.rows for key, value in row.overrides.items()}
    check(file, (row.network for row in described.rows), described.encoder, overrides)
    signal.signal(signal.SIGTERM, lambda number, _: exit_by_signal(number))
    for row, seed in described.jobs():
        if not names or row.name in names:
            complete(described, row, seed)
    write_page(described)


def complete(described: AblationFile, row: Row, seed: int) -> None:
    """Run a row with a seed, unless its results exist or another process runs it."""
    target = results_file(described.folder, row, seed)
    experiment = described.experiment(row, seed)
    lock = root() / ".work" / f"{experiment}.lock"
    lock.parent.mkdir(exist_ok=True)
    try:
        with FileLock(lock, timeout=0):
            if target.exists() and read_json(target)["overrides"] == row.overrides:
                return
            run_experiment(*described.arguments(row, seed))  # DVC restores a run that it has cached
            save_results(described, row, seed)
    except Timeout:
        click.echo(f"{experiment} is run by another process.", err=True)


def save_results(described: AblationFile, row: Row, seed: int) -> None:
    """Write scores and facts of an experiment, and some of its samples."""
    import dvc.api
    import numpy as np

    from pokegan.core.grids import grid, to_image
    from pokegan.metrics.spectrum import checkerboard, power_spectrum

    experiment, folder = described.experiment(row, seed), f"reports/networks/{row.network}"
    facts = json.loads(committed(experiment, f"{folder}/run.json"))
    scores = json.loads(committed(experiment, f"{folder}/scores.json"))
    content = dvc.api.read(f"{folder}/samples.npz", rev=experiment, mode="rb")
    with np.load(io.BytesIO(content)) as stored:
        last: np.ndarray = stored["pictures"][-1]
    target = results_file(described.folder, row, seed)
    with atomic_write(target.with_suffix(".webp")) as temporary:
        to_image(grid(last[:N_SHOWN], N_SHOWN)).save(temporary, "WEBP", quality=80)
    result = {
        "network": row.network,
        "seed": seed,
        "params_md5": digest(facts["params"]),
        "overrides": row.overrides,
        "pictures_seen": round(facts["epochs"] * facts["pictures"]),
        **{key: facts[key] for key in FACTS},
        **scores,
        "checkerboard": round_sig(100 * checkerboard(power_spectrum(last))),
    }
    save_json(target, result)


def write_page(described: AblationFile) -> None:
    """Write the page: a table of results per question, and samples and command of each row."""
    groups = by_question(described, described.folder)
    if not groups:
        raise PipelineError(f"There are no results in {described.folder}; run all rows.")
    parts = [f"# {described.title}", described.introduction.strip(), protocol(described, groups)]
    shown: list[RowResults] = []
    for question, rows in groups.items():
        parts += [f"## {question}"] if question else []
        parts.append(table(rows))
        own = [row for row in rows if row.row.question == question]
        meant = [f"- **{row.row.title}**: {row.row.meaning}" for row in own if row.row.meaning]
        parts += ["\n".join(meant)] if meant else []
        shown += own
    parts.append("## Samples and commands")
    for row in shown:
        picture = Path(*[".."] * len(Path(described.page).parent.parts), row.picture)
        parts.append(f"### {row.row.title}")
        parts.append(f"![Samples]({picture.as_posix()})")
        parts.append(f"```console\n{row.command}\n```")
    save_text(Path(described.page), "\n\n".join(parts) + "\n")
    click.echo(f"{described.page}: {len(shown)} of {len(described.rows)} rows", err=True)


def table(rows: list[RowResults]) -> str:
    """Return a table of rows in Markdown; columns without a value are left out."""
    shown = [key for key in rows[0].cells if any(row.cells[key] != "–" for row in rows)]
    lines = [["row", *shown], ["---", *["---:"] * len(shown)]]
    for row in rows:
        bold = {"difference": f"**{row.cells['difference']}**"} if row.is_separated else {}
        lines.append([row.row.title, *({**row.cells, **bold}[key] for key in shown)])
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
