"""`pokegan affected` and docs/parameters.md, compared with what DVC reruns.

Graph, code and parameters are the project's. `python` is replaced by a script that writes one word
into each output of a stage, so that the whole pipeline runs in seconds and without data.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result
from dvc.dependency import param
from dvc.repo import Repo

from pokegan.cli import main
from pokegan.cli.affected import find
from pokegan.core.errors import PipelineError
from pokegan.core.params import flatten, load_yaml, read_params
from tests.conftest import NETWORKS, ROOT, assert_one_sentence, make_repository, set_params

PAGE = (ROOT / "docs/parameters.md").read_text(encoding="utf-8")
ENCODER = "effnet_lite0"
TABLE = "".join(line for line in PAGE.splitlines() if line.startswith("|"))
KEYS = [key for key, _ in flatten(load_yaml(ROOT / "params.yaml"))]
AUGMENTED = [name for name, network in NETWORKS.items() if network.pictures == "pokemon2457"]

STAND_IN = """#!/bin/sh
while read -r output; do
    mkdir -p "${output%/*}" && cp "$STAND_IN/word" "$output"
done < "$STAND_IN/$DVC_STAGE"
"""

Marks = dict[str, dict[str, str]]  # parameter → stage → mark
Reproduce = Callable[[str], set[str]]


def stage_names() -> list[str]:
    with Repo(str(ROOT)) as repo:
        return [stage.addressing for stage in repo.index.stages]


STAGES = stage_names()


def read_page(page: str) -> Marks:
    """Read the table as a person does."""
    rows = [
        [cell.strip() for cell in line.split("|")[1:-1]]
        for line in page.splitlines()
        if line.startswith("|")
    ]
    marks: Marks = {}
    for row in rows[2:]:
        found = {
            stage: part[0]
            for family, cell in zip(rows[0][1:], row[1:], strict=True)
            for part in filter(None, cell.split(", "))
            for stage in members(family, part[1:].split())
        }
        for name in re.findall("`(.*?)`", row[0]):
            marks |= dict.fromkeys(find(name.removesuffix(".*"), KEYS), found)
    return marks


def members(family: str, items: list[str]) -> list[str]:
    """Return the stages of a column, all or those of the networks or data sets named in a cell."""
    pattern = rf"{family}(_\w+)?(@({'|'.join(items) or '.*'})(-.*)?)?"
    return [
        stage for stage in STAGES if re.fullmatch(pattern, stage) and (not items or "@" in stage)
    ]


MARKS = read_page(PAGE)


def affected(*names: str) -> Result:
    return CliRunner().invoke(main, ["affected", *names])


def change(folder: Path, name: str) -> None:
    """Give a parameter another valid value."""
    before = dict(flatten(load_yaml(folder / "params.yaml")))[name]
    for value in others(before):
        set_params(folder, {name: value})
        try:
            read_params(file=folder / "params.yaml")
        except PipelineError:
            continue
        if value != before:
            return
    raise AssertionError(f"no other valid value for {name}")


def others(value: Any) -> list[Any]:
    match value:
        case None:
            return [0.001, "pictures"]
        case bool():
            return [not value]
        case int() | float():
            return [value + 1, value + 0.5, value / 2, 2 * value]
        case list():
            return [value[::-1], [*value, "inception"], [*value, "cutout"]]
        case _:
            words = ["bf16", "folder", "rmsprop", "mlp", "nearest", "dense", "none"]
            return [f"{value[:-1]}5", f"{value[:-1]}6", *words, f"sha512-{'A' * 86}=="]


@contextmanager
def params_read_once() -> Iterator[Callable[[], None]]:
    """Let DVC parse params.yaml once, not once per stage; yield a function that forgets it."""
    with pytest.MonkeyPatch.context() as patch:
        load_path = cache(param.load_path)
        patch.setattr(param, "load_path", load_path)
        yield load_path.cache_clear


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_repository(tmp_path_factory.mktemp("affected"))


@pytest.fixture(scope="module")
def reproduce(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reproduce]:
    """Return a function for `dvc repro` in a repository where every stage has run.

    It takes the word to write into the outputs and returns the stages that ran.
    """
    folder = tmp_path_factory.mktemp("stand_in")
    (folder / "python").write_text(STAND_IN)
    (folder / "python").chmod(0o755)

    def call(word: str) -> set[str]:
        (folder / "word").write_text(word)
        with params_read_once(), Repo() as repo:
            return {stage.addressing for stage in repo.reproduce(run_cache=False)}

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(repository)
        patch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
        patch.setenv("STAND_IN", str(folder))
        for encoders in ([ENCODER, "inception"], [ENCODER]):
            set_params(repository, {"evaluate.encoders": encoders})
            with Repo() as repo:
                for stage in repo.index.stages:
                    outputs = "".join(f"{output.def_path}\n" for output in stage.outs)
                    (folder / stage.addressing).write_text(outputs)
        assert call("first") == set(STAGES)
        yield call


def test_the_page_is_the_output_of_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert affected().stdout == PAGE, "run: pokegan affected > docs/parameters.md"


def test_the_page_has_every_parameter_and_every_stage() -> None:
    assert list(MARKS) == KEYS
    assert {stage for marked in MARKS.values() for stage in marked} == set(STAGES)
    for name, marked in MARKS.items():
        assert "●" in marked.values(), f"no stage reads {name}"
        assert set(marked.values()) <= {"●", "○"}
    assert MARKS["evaluate.encoders"] == {"report": "●"}
    for name in NETWORKS:
        direct = [stage for stage, mark in MARKS[f"{name}.epochs"].items() if mark == "●"]
        assert direct == [f"train@{name}"]


def test_the_stages_of_parameters_are_listed_in_order(tmp_path: Path, monkeypatch) -> None:
    """Needs neither data nor a pipeline that ran."""
    monkeypatch.chdir(make_repository(tmp_path))
    assert read_page(affected().stdout) == MARKS
    families = [stage.partition("@")[0] for stage in affected("augment").stdout.split()]
    assert list(dict.fromkeys(families)) == [
        "augment", "train", "evaluate_pokemon819", "index", "inspect", "report",
    ]  # fmt: skip
    listed = affected("lr", "augment.contrast").stdout.split()
    assert len(listed) == len(set(listed))
    assert set(listed) == {*MARKS["lr"], *MARKS["augment.contrast"]}
    assert {stage for stage in listed if stage.startswith("train@")} == {
        f"train@{name}" for name in NETWORKS
    }
    assert set(affected("augment").stdout.split()) >= {f"train@{name}" for name in AUGMENTED}


def test_dvc_finds_each_parameter_changed_in_the_same_stages(
    repository: Path, reproduce: Reproduce
) -> None:
    """Compare ● with DVC's status, for each parameter named on the page and one of each section."""
    names = [
        find(name.removesuffix(".*"), KEYS)[0] for name in re.findall(r"`([\w.*]+)`[,| ]", TABLE)
    ]
    file = repository / "params.yaml"
    before = file.read_bytes()
    with params_read_once() as forget, Repo() as repo:

        def changed() -> set[str]:
            forget()
            stages = repo.index.stages
            return {s.addressing for s in stages if any(each.status() for each in s.params)}

        for name in names:
            change(repository, name)
            direct = {stage for stage, mark in MARKS[name].items() if mark == "●"}
            assert changed() == direct, name
            file.write_bytes(before)
        assert changed() == set()


@pytest.mark.slow
def test_repro_runs_the_listed_stages(repository: Path, reproduce: Reproduce) -> None:
    """● alone while the outputs stay the same, ● and ○ when they change."""
    change(repository, "lr")
    assert reproduce("first") == {f"train@{name}" for name in NETWORKS}
    change(repository, "pokemon14000.count")
    listed = set(affected("pokemon14000.count").stdout.split())
    assert reproduce("second") == listed == set(MARKS["pokemon14000.count"])


@pytest.mark.slow
def test_an_encoder_runs_its_own_stages_and_the_report(
    repository: Path, reproduce: Reproduce
) -> None:
    set_params(repository, {"evaluate.encoders": [ENCODER, "inception"]})
    assert affected().stdout == PAGE
    own = {s.replace(ENCODER, "inception") for s in STAGES if s.endswith(f"-{ENCODER}")}
    assert reproduce("third") == own | {"report"}


@pytest.mark.parametrize(
    ("name", "closest"),
    [
        ("dcgan819.bathc_size", "dcgan819.batch_size"),
        ("lr=0.1", "lr"),
        ("augmnt", "augment"),
        ("dcgan81", "dcgan819"),
    ],
)
def test_an_unknown_name_suggests_the_closest(workspace: Path, name: str, closest: str) -> None:
    result = affected("seed", name)
    assert_one_sentence(result, f"params.yaml has no parameter {name!r}; did you mean {closest}?")
    assert result.stdout == ""


def test_unreadable_files_give_one_sentence(
    workspace: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert_one_sentence(affected("lr"), "DVC cannot read the pipeline", "not inside of a DVC")
    set_params(workspace, {"lr": "fast"})
    assert_one_sentence(affected("lr"), "params.yaml: lr is 'fast'")
    Path("params.yaml").unlink()
    assert_one_sentence(affected(), "params.yaml is not in", "root of the repository")
    monkeypatch.chdir(make_repository(tmp_path_factory.mktemp("broken")))
    broken = yaml.safe_load(Path("dvc.yaml").read_text())
    broken["stages"]["download"]["command"] = broken["stages"]["download"].pop("cmd")
    Path("dvc.yaml").write_text(yaml.safe_dump(broken))
    assert_one_sentence(affected("lr"), "DVC cannot read the pipeline", "dvc.yaml")
