"""List the stages that a change of a parameter reruns."""

from difflib import get_close_matches
from itertools import groupby
from typing import Any

import click

from pokegan.core.errors import PipelineError
from pokegan.core.params import PARAMS_FILE, flatten, load_yaml, read_params

DIRECT, INDIRECT = "●", "○"
PAGE = """\
# Stages that a change of a parameter reruns

Written by `make docs`; do not edit. `pokegan affected dcgan819.lr` lists the stages of a parameter.

- ● depends on the parameter: the stage reruns, or DVC restores its outputs from its cache.
- ○ depends on the outputs of such a stage: it reruns if they change.
- Names beside a mark restrict it to these networks or data sets.

{table}
`classify_types` depends on the first of `evaluate.encoders`.
The shared `lr` retrains every network declared with it, also where its section has a rate.
"""
Marks = dict[str, dict[str, str]]  # parameter → stage → mark


@click.command()
@click.argument("names", metavar="[PARAMETER]...", nargs=-1)
def affected(names: tuple[str, ...]) -> None:
    """List the stages that a change of a parameter reruns.

    PARAMETER is a key of params.yaml (dcgan819.lr) or a section (augment). Without one, print the
    table of all parameters in Markdown (docs/parameters.md). For changes of code, use `dvc status`.
    """
    read_params()  # checks the values
    keys = [key for key, _ in flatten(load_yaml(PARAMS_FILE))]
    chosen = {key for name in names for key in find(name, keys)}
    stages, marks = read_graph()
    if names:
        reruns = set().union(*(marks.get(key, ()) for key in chosen))
        click.echo("".join(f"{stage}\n" for stage in stages if stage in reruns), nl=False)
    else:
        click.echo(PAGE.format(table=make_table(keys, stages, marks)), nl=False)


def find(name: str, keys: list[str]) -> list[str]:
    """Return the key of that name, or all keys of that section; raise if there is none."""
    if found := [key for key in keys if f"{key}.".startswith(f"{name}.")]:
        return found
    known = [*keys, *dict.fromkeys(key.partition(".")[0] for key in keys)]
    (closest,) = get_close_matches(name, known, n=1, cutoff=0)
    raise PipelineError(f"{PARAMS_FILE} has no parameter {name!r}; did you mean {closest}?")


def read_graph() -> tuple[list[str], Marks]:
    """Return the stages in the order in which DVC runs them, and the marks of each parameter."""
    from dvc.exceptions import DvcException
    from dvc.repo import Repo
    from dvc.repo.reproduce import plan_repro

    readers: dict[str, list[Any]] = {}
    try:
        with Repo() as repo:
            graph = repo.index.graph
            for stage in (plan := plan_repro(graph)):
                for dependency in stage.params:
                    for key, _ in flatten(dependency.read_params(flatten=False)):
                        readers.setdefault(key, []).append(stage)
    except DvcException as error:
        reason = " ".join(str(error).split())
        raise PipelineError(f"DVC cannot read the pipeline ({reason}).") from error
    return [stage.addressing for stage in plan], {
        key: {
            stage.addressing: DIRECT if stage in direct else INDIRECT
            for stage in plan_repro(graph, direct, downstream=True)
        }
        for key, direct in readers.items()
    }


def make_table(keys: list[str], stages: list[str], marks: Marks) -> str:
    """Return a Markdown table: a row per group of parameters, a column per family of stages."""
    families: dict[str, dict[str, str]] = {}  # evaluate → evaluate@dcgan819 → dcgan819
    for stage in stages:
        name, _, item = stage.partition("@")
        families.setdefault(name, {})[stage] = item
    rows = [["parameter", *families], ["---", *(":-:" for _ in families)]]
    sections = {key: key.split(".")[0] if "." in key else None for key in keys}
    for (found, section), group in groupby(keys, lambda key: (marks.get(key, {}), sections[key])):
        names = list(group)
        if section and names == find(section, keys):
            names = [f"{section}.*"]
        label = ", ".join(f"`{name}`" for name in names)
        rows.append([label, *(_cell(found, family) for family in families.values())])
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _cell(marks: dict[str, str], family: dict[str, str]) -> str:
    """Return the marks of a family, each with the items that it is restricted to."""
    parts = []
    for mark in (DIRECT, INDIRECT):
        if items := [item for stage, item in family.items() if marks.get(stage) == mark]:
            names = [] if len(items) == len(family) else dict.fromkeys(items)
            parts.append(" ".join([mark, *names]))
    return ", ".join(parts)
