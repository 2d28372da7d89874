"""What a change of a parameter is said to rerun, compared with what DVC does.

Graph, code and parameters are the project's own; `python` is a stand-in that writes one word into
each output of a stage, so that the whole pipeline runs in seconds, and without any data.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result
from dvc.dependency import param
from dvc.repo import Repo
from pydantic import ValidationError
from ruamel.yaml import YAML

from pokegan.cli.affected import affected
from pokegan.core.params import Params, flatten
from tests.conftest import ROOT, assert_one_sentence, make_repository, run, set_params

PAGE = (ROOT / "docs/parameters.md").read_text(encoding="utf-8")
ENCODER = "effnet_lite0"
GANS = ("dcgan819", "dcgan14000", "aegan")
STAGES = list(yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"])
OF_AN_ENCODER = {name for name in STAGES if name.startswith(("encode_", "evaluate_"))}

STAND_IN = """#!/bin/sh
while read -r output; do
    mkdir -p "${output%/*}" && cp "$STAND_IN/word" "$output"
done < "$STAND_IN/$DVC_STAGE"
"""

Marks = dict[str, dict[str, str]]
Reproduce = Callable[[str], set[str]]


def tables(page: str) -> Marks:
    """Parameter → stage → mark, as a reader takes them from PAGE."""
    marks: Marks = {}
    headers: list[str] = []
    for line in page.splitlines():
        cells = [cell.strip(" `") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if not cells:
            headers = []
        elif not headers:
            headers = cells
        elif not cells[0].startswith(":-"):
            marked = zip(headers[2:-1], cells[2:-1], strict=True)
            marks[cells[0]] = {
                stage: mark for header, mark in marked if mark for stage in meant(header)
            }
    return marks


def meant(header: str) -> list[str]:
    """The stages of a column: `train`, `train dcgan14000, aegan` or `augment … report`."""
    first, _, last = header.partition(" … ")
    if last:
        return STAGES[STAGES.index(meant(first)[0]) : STAGES.index(meant(last)[-1]) + 1]
    kind, _, names = header.partition(" ")
    if names:
        return [f"{kind}_{name}" for name in names.split(", ")]
    return [stage for stage in STAGES if stage == kind or stage.startswith(f"{kind}_")]


MARKS = tables(PAGE)


def values(folder: Path) -> dict[str, Any]:
    """params.yaml in FOLDER: dotted key → value."""
    return dict(flatten(YAML(typ="safe").load((folder / "params.yaml").read_text())))


def others(value: Any) -> list[Any]:
    """What may stand in VALUE's place."""
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


def change(folder: Path, name: str) -> None:
    """Give the parameter NAME in FOLDER another value that is valid."""
    yaml = YAML()
    params = section = yaml.load(folder / "params.yaml")
    *sections, key = name.split(".")
    for each in sections:
        section = section[each]
    before = section[key]
    for value in others(before):
        section[key] = value
        if value != before and valid(params):
            yaml.dump(params, folder / "params.yaml")
            return
    raise AssertionError(f"no other valid value for {name}")


def valid(params: dict[str, Any]) -> bool:
    try:
        Params.model_validate(params)
    except ValidationError:
        return False
    return True


def families(stages: set[str]) -> set[str]:
    return {stage.partition("@")[0] for stage in stages}


def ask(*names: str) -> Result:
    return CliRunner().invoke(affected, names)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_repository(tmp_path_factory.mktemp("affected"))


@pytest.fixture(scope="module")
def reproduce(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reproduce]:
    """`dvc repro` where all ran once: WORD goes into what is written → the stages that ran."""
    folder = tmp_path_factory.mktemp("stand_in")
    (folder / "python").write_text(STAND_IN)
    (folder / "python").chmod(0o755)

    def call(word: str) -> set[str]:
        (folder / "word").write_text(word)
        with Repo() as repo:
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
        assert families(call("first")) == set(STAGES)
        yield call


def test_the_page_is_what_the_command_prints() -> None:
    printed = run("python", "-m", "pokegan.cli.affected", cwd=ROOT).stdout
    assert printed == PAGE, (
        "docs/parameters.md is not what DVC says now; renew it: "
        "python -m pokegan.cli.affected > docs/parameters.md"
    )


def test_every_parameter_and_every_stage_is_on_the_page() -> None:
    assert list(MARKS) == list(values(ROOT))
    for stage in STAGES:
        assert f"`{stage}`" in PAGE.partition("\n## ")[0]
        assert any(stage in marked for marked in MARKS.values())
    for name, marked in MARKS.items():
        assert "●" in marked.values(), f"no stage reads {name}"
        assert set(marked.values()) <= {"●", "○"}
    assert MARKS["evaluate.encoders"] == {"report": "●"}


def test_values_and_meanings_are_those_of_params_yaml() -> None:
    rows = {row.split("`")[1]: row for row in PAGE.splitlines() if row.startswith("| `")}
    for name, value, meaning in (
        ("seed", "1", "every random draw comes from generators seeded with it"),
        ("precision", "auto", r"auto: bf16 where the processor computes in it, else fp32 \| fp32"),
        ("download.folder", "null", "source: folder reads every picture below this folder"),
        ("download.git.path", "pokemon/data/pokemon", "source: git; these are the report's own"),
        ("dcgan819.betas", "[0.5, 0.9]", "of Adam; RMSprop takes the second as its alpha"),
        ("dcgan819.snapshots", "12", "moments whose samples and generator are kept and scored  "),
        ("evaluate.encoders", f'["{ENCODER}"]', "each adds its own scores"),
    ):
        assert f"| `{value}` " in rows[name]
        assert f"| {meaning}" in rows[name]
    assert (
        "## dcgan14000\n\nThe same networks on 14,000 pictures; the keys mean the same.\n" in PAGE
    )


def test_it_needs_no_data_and_nothing_that_ran(tmp_path: Path) -> None:
    fresh = make_repository(tmp_path)
    told = run("python", "-m", "pokegan.cli.affected", "augment", "evaluate.splits", cwd=fresh)
    assert told.stdout.split() == [
        "augment",
        "train_dcgan819",
        *(f"evaluate_{gan}@{ENCODER}" for gan in GANS),
        "index_pokemon2457",
        "match_dcgan819",
        "explore_dcgan819",
        "probe_dcgan819",
        "report",
    ]
    assert tables(run("python", "-m", "pokegan.cli.affected", cwd=fresh).stdout) == MARKS


def test_dvc_sees_each_parameter_change_where_it_is_said(
    repository: Path, reproduce: Reproduce, monkeypatch: pytest.MonkeyPatch
) -> None:
    """● of every parameter: the stages whose parameters have changed by DVC's own status."""
    # DVC reads params.yaml once a stage; once a change is enough here, and ten times as fast.
    monkeypatch.setattr(param, "load_path", cache(param.load_path))
    file = repository / "params.yaml"
    before = file.read_bytes()
    with Repo() as repo:

        def changed() -> set[str]:
            param.load_path.cache_clear()
            stages = repo.index.stages
            return {s.addressing for s in stages if any(each.status() for each in s.params)}

        for name, marked in MARKS.items():
            change(repository, name)
            assert families(changed()) == {s for s, mark in marked.items() if mark == "●"}, name
            file.write_bytes(before)
            assert changed() == set()


def test_nothing_follows_what_comes_out_the_same(repository: Path, reproduce: Reproduce) -> None:
    """● alone; and lr is one for all trainings, where their own lr hides it, too."""
    trainings = {f"train_{gan}" for gan in GANS}
    set_params(repository, {f"{gan}.lr": 0.001 for gan in GANS})
    assert reproduce("first") == trainings
    change(repository, "lr")
    assert reproduce("first") == trainings


@pytest.mark.parametrize("name", ["pokemon14000.count", "evaluate.pictures"])
def test_what_runs_is_what_was_said(repository: Path, reproduce: Reproduce, name: str) -> None:
    """● and ○, where all that runs comes out differently."""
    change(repository, name)
    told = ask(name).stdout.split()
    ran = reproduce(name)
    assert families(ran) == set(MARKS[name])
    assert set(told) == ran


def test_an_encoder_runs_its_own_stages_and_the_report(
    repository: Path, reproduce: Reproduce
) -> None:
    set_params(repository, {"evaluate.encoders": [ENCODER, "inception"]})
    assert tables(ask().stdout) == MARKS
    told = ask("evaluate.encoders")
    assert told.stdout == "report\n"
    assert all(stage in told.stderr for stage in OF_AN_ENCODER)
    assert len(ask("evaluate.draws").stdout.split()) == 7
    assert reproduce("added") == {f"{stage}@inception" for stage in OF_AN_ENCODER} | {"report"}
    set_params(repository, {"evaluate.encoders": [ENCODER]})
    assert reproduce("removed") == {"report"}


def test_a_section_is_all_its_parameters(repository: Path, reproduce: Reproduce) -> None:
    """In the order in which DVC runs them, each once."""
    told = ask("dcgan819", "dcgan819.lr", "augment").stdout.split()
    assert told == [
        "augment",
        "train_dcgan819",
        f"evaluate_dcgan819@{ENCODER}",
        "index_pokemon2457",
        "match_dcgan819",
        "explore_dcgan819",
        "probe_dcgan819",
        "report",
    ]


@pytest.mark.parametrize(
    ("name", "closest"),
    [
        ("dcgan819.bathc_size", "dcgan819.batch_size"),
        ("lr=0.1", "lr"),
        ("augmnt", "augment"),
        ("dcgan81", "dcgan819"),
    ],
)
def test_an_unknown_name_gets_the_closest_one(workspace: Path, name: str, closest: str) -> None:
    result = ask("seed", name)
    assert_one_sentence(result, f"params.yaml has no parameter {name!r}; did you mean {closest}?")
    assert result.stdout == ""


def test_what_cannot_be_read_is_named(workspace: Path) -> None:
    assert_one_sentence(ask("lr"), "DVC cannot read the pipeline", "not inside of a DVC repository")
    set_params(workspace, {"lr": "fast"})
    assert_one_sentence(ask("lr"), "params.yaml: lr is 'fast'")
    Path("params.yaml").unlink()
    assert_one_sentence(ask(), "params.yaml is not in", "root of the repository")


def test_a_broken_pipeline_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(make_repository(tmp_path))
    text = Path("dvc.yaml").read_text()
    Path("dvc.yaml").write_text(text.replace("deps: *prepare", "deps: *prepar", 1))
    assert_one_sentence(ask(), "DVC cannot read the pipeline", "dvc.yaml")
    Path("dvc.yaml").write_text(text.replace("cmd: python -m stages.download", "command: x", 1))
    assert_one_sentence(ask("lr"), "DVC cannot read the pipeline", "dvc.yaml")


def test_help_names_what_answers_for_code() -> None:
    told = ask("--help").output
    assert "`dvc status`" in told
    assert "`dvc repro --dry`" in told
