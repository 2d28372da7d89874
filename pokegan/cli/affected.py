"""Tell which stages a change of a parameter reruns."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import groupby
from typing import Any

import click
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap

from pokegan.core.errors import PipelineError
from pokegan.core.params import PARAMS_FILE, flatten, read_params

DIRECTLY, AFTER = "●", "○"
# The table is no place for a sha512.
WIDEST = 24

INTRODUCTION = f"""\
# What a change of a parameter reruns

Made by `python -m pokegan.cli.affected > docs/parameters.md` from what DVC reads in dvc.yaml and
params.yaml, not by hand; `tests/test_affected.py` compares it with what DVC does.

- {DIRECTLY} The stage depends on the parameter: it runs again (or comes from DVC's cache, if it ran
  with that value before).
- {AFTER} A stage before it runs again: it follows if something comes out differently there.
- No mark, or no column: it stays as it is.

The columns are stages, in the order of the graph: {{stages}}.
There, `train` stands for all whose names begin so, `train dcgan819` for `train_dcgan819`, and
`prepare … report` for all from the one to the other.

What the tables cannot show:

- `evaluate.encoders` makes stages, one for each encoder: {{made}}.
  An encoder that is added runs its own and the report, one that is removed the report alone.
  Where another comes first, `index_…`, `match_…` and `contrast`, which ask the first, run again.
- A stage that depends on a parameter runs again even where the value makes no difference: `lr`
  reruns all three trainings, also where a network's own `lr` hides it.

For some parameters alone: `python -m pokegan.cli.affected dcgan819.lr augment`. What a change of code
reruns is told by `dvc status` and `dvc repro --dry`."""


@dataclass(frozen=True)
class Parameter:
    """A leaf of params.yaml: its dotted NAME, and its MEANING from the end of its line.

    BELOW is the comment between its line and the next key.
    """

    name: str
    value: Any
    meaning: str
    below: str

    @property
    def section(self) -> str:
        """The top-level key; empty for the parameters that stand there themselves."""
        return self.name.partition(".")[0] if "." in self.name else ""


@dataclass(frozen=True)
class Reruns:
    """STAGES in the order in which they run; MARKS: parameter → stage → ● or ○, same order."""

    stages: list[str]
    marks: dict[str, dict[str, str]]

    @property
    def made(self) -> list[str]:
        """The stages that there are for each encoder, without its name."""
        return list(dict.fromkeys(_family(stage) for stage in self.stages if "@" in stage))


@click.command()
@click.argument("names", metavar="[PARAMETER]...", nargs=-1)
def affected(names: tuple[str, ...]) -> None:
    """Tell which stages run again after a change of a parameter.

    For each PARAMETER (dcgan819.lr, or a section: augment) the stages that would run, one a line,
    in the order of the graph; without any, the table of all parameters as Markdown
    (docs/parameters.md). It is DVC's graph that tells; no data are needed.

    What a change of code reruns is told by `dvc status` (what has changed) and `dvc repro --dry`
    (what would run first).

    \b
    python -m pokegan.cli.affected lr dcgan819.batch_size
    python -m pokegan.cli.affected > docs/parameters.md
    """  # noqa: D301
    parameters = list_parameters()
    chosen = [leaf for name in names for leaf in find(name, parameters)]
    reruns = ask_dvc()
    if not names:
        click.echo(page(parameters, reruns), nl=False)
        return
    running = {stage for leaf in chosen for stage in reruns.marks.get(leaf, ())}
    for stage in reruns.stages:
        if stage in running:
            click.echo(stage)
    if "evaluate.encoders" in chosen:
        click.echo(
            f"An encoder that is added also runs its own {', '.join(reruns.made)}.", err=True
        )


def list_parameters() -> list[Parameter]:
    """The leaves of params.yaml, in its order.

    Raises:
        PipelineError: the file is missing or no YAML, or a value is not what it must be.
    """
    read_params()
    return list(_leaves(YAML().load(PARAMS_FILE.read_text(encoding="utf-8"))))


def _leaves(values: CommentedMap, prefix: str = "", above: str = "") -> Iterator[Parameter]:
    for key, value in values.items():
        # ruamel keeps the end of a key's line and the comments below it as one token, the third.
        token = values.ca.items.get(key, (None, None, None))[2]
        end, _, below = (token.value if token else "").partition("\n")
        meaning = _plain(end) or above
        if isinstance(value, CommentedMap):
            yield from _leaves(value, f"{prefix}{key}.", meaning)
        else:
            yield Parameter(f"{prefix}{key}", value, meaning, _plain(below))


def _plain(comment: str) -> str:
    return " ".join(line.strip().removeprefix("#").strip() for line in comment.split("\n")).strip()


def find(name: str, parameters: list[Parameter]) -> list[str]:
    """The parameters that NAME means: itself, or all below it.

    Raises:
        PipelineError: there is none.
    """
    leaves = [parameter.name for parameter in parameters]
    found = [leaf for leaf in leaves if f"{leaf}.".startswith(f"{name}.")]
    if not found:
        known = leaves + sorted({parameter.section for parameter in parameters} - {""})
        (closest,) = get_close_matches(name, known, n=1, cutoff=0)
        raise PipelineError(f"{PARAMS_FILE} has no parameter {name!r}; did you mean {closest}?")
    return found


def ask_dvc() -> Reruns:
    """What DVC knows of the repository in the working directory; no data are needed.

    Raises:
        PipelineError: DVC cannot read its files, or there is no repository.
    """
    from dvc.exceptions import DvcException  # type: ignore[import-untyped]
    from dvc.repo import Repo  # type: ignore[import-untyped]

    try:
        with Repo() as repo:
            return _reruns(repo.index.graph)
    except DvcException as fault:
        reason = " ".join(str(fault).split())
        raise PipelineError(
            f"DVC cannot read the pipeline ({reason}); mend dvc.yaml, or run it in a git clone."
        ) from fault


def _reruns(graph: Any) -> Reruns:
    from dvc.repo.reproduce import plan_repro  # type: ignore[import-untyped]

    plan = plan_repro(graph)
    listing: dict[str, list[Any]] = {}
    for stage in plan:
        for dependency in stage.params:
            for name, _ in flatten(dependency.read_params(flatten=False)):
                listing.setdefault(name, []).append(stage)
    marks = {}
    for name, direct in listing.items():
        running = plan_repro(graph, direct, downstream=True)
        marks[name] = {
            stage.addressing: DIRECTLY if stage in direct else AFTER
            for stage in plan
            if stage in running
        }
    return Reruns([stage.addressing for stage in plan], marks)


def page(parameters: list[Parameter], reruns: Reruns) -> str:
    """The introduction and a table for each section of params.yaml, as Markdown."""
    from tabulate import tabulate  # type: ignore[import-untyped]

    stages = list(dict.fromkeys(map(_family, reruns.stages)))
    parts = [INTRODUCTION.format(stages=_code(stages), made=_code(reruns.made))]
    above = ""
    for section, leaves in groupby(parameters, lambda parameter: parameter.section):
        rows = list(leaves)
        marked = columns(stages, [reruns.marks.get(row.name, {}) for row in rows])
        table = {
            "parameter": [f"`{row.name}`" for row in rows],
            "value": [f"`{_short(row.value)}`" for row in rows],
            **marked,
            "meaning": [row.meaning.replace("|", r"\|") for row in rows],
        }
        sides = ["left", "left", *("center" for _ in marked), "left"]
        drawn = tabulate(table, "keys", "pipe", colalign=sides, disable_numparse=True)
        parts += [f"## {section or 'shared'}", above, drawn]
        above = rows[-1].below
    return "\n\n".join(filter(None, parts)) + "\n"


def columns(stages: list[str], rows: list[dict[str, str]]) -> dict[str, tuple[str, ...]]:
    """Header → a mark for each of ROWS, which are stage → mark.

    Stages of one kind (the first word of their names) share a column if their marks are the same,
    and so do three kinds or more, one after the other. Stages without any mark have none.
    """
    kinds: dict[str, list[str]] = {}
    for stage in stages:
        kinds.setdefault(stage.partition("_")[0], []).append(stage)
    parted: list[tuple[str, tuple[str, ...], bool]] = []
    for kind, members in kinds.items():
        alike: dict[tuple[str, ...], list[str]] = {}
        for stage in members:
            marks = tuple(_mark(row, stage) for row in rows)
            alike.setdefault(marks, []).append(stage.partition("_")[2])
        for marks, names in alike.items():
            whole = len(names) == len(members)
            parted.append((kind if whole else f"{kind} {', '.join(names)}", marks, whole))
    shown: dict[str, tuple[str, ...]] = {}
    for (marks, whole), group in groupby(parted, lambda column: column[1:]):
        headers = [header for header, *_ in group]
        if whole and len(headers) > 2:
            headers = [f"{headers[0]} … {headers[-1]}"]
        shown.update((header, marks) for header in headers if any(marks))
    return shown


def _mark(marks: dict[str, str], family: str) -> str:
    return next((mark for stage, mark in marks.items() if _family(stage) == family), "")


def _family(stage: str) -> str:
    """Without the encoder that it was made for."""
    return stage.partition("@")[0]


def _short(value: Any) -> str:
    written = value if isinstance(value, str) else json.dumps(value)
    return written if len(written) <= WIDEST else f"{written[: WIDEST - 1]}…"


def _code(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


if __name__ == "__main__":
    affected()
