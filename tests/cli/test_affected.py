"""`pokegan affected` and docs/parameters.md, compared with what DVC reruns.

Graph, code and parameters are the project's. `python` is replaced by a script that writes one word
into each output of a stage, so that the whole pipeline runs in seconds and without data.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result
from dvc.dependency import param
from dvc.repo import Repo

from pokegan.cli import main
from pokegan.cli.affected import Marks, read_graph
from pokegan.core.params import flatten, load_yaml
from tests.conftest import NETWORKS, ROOT, assert_one_sentence, make_repository, set_params

ENCODER = "effnet_lite0"
# A different valid value of each shared parameter and of one parameter per section.
CHANGES = {
    "seed": 2,
    "lr": 0.001,
    "precision": "bf16",
    "download.kaggle.version": 2,
    "prepare.margin": 0.05,
    "pokemon819.count": 41,
    "pokemon14000.count": 73,
    "augment.contrast": 0.3,
    "label.npm.oakdex-pokedex.bytes": 1,
    **{f"{name}.epochs": 2 for name in NETWORKS},
    "evaluate.encoders": [ENCODER, "inception"],
    "evaluate.pictures": 9,
    "evaluate.draws": 3,
    "evaluate.splits": 2,
}

STAND_IN = """#!/bin/sh
while read -r output; do
    mkdir -p "${output%/*}" && cp "$STAND_IN/word" "$output"
done < "$STAND_IN/$DVC_STAGE"
"""

Graph = tuple[list[str], Marks]
Reproduce = Callable[[str], set[str]]


def affected(*names: str) -> Result:
    return CliRunner().invoke(main, ["affected", *names])


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
def graph(repository: Path) -> Graph:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(repository)
        return read_graph()


@pytest.fixture(scope="module")
def reproduce(
    repository: Path, graph: Graph, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Reproduce]:
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
        with Repo() as repo:
            for stage in repo.index.stages:
                outputs = "".join(f"{output.def_path}\n" for output in stage.outs)
                (folder / stage.addressing).write_text(outputs)
        assert call("first") == set(graph[0])
        yield call


def test_the_page_is_the_output_of_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    page = Path("docs/parameters.md").read_text(encoding="utf-8")
    assert affected().stdout == page, "run: pokegan affected > docs/parameters.md"


def test_every_parameter_affects_a_stage_and_every_stage_depends_on_one(graph: Graph) -> None:
    stages, marks = graph
    keys = [key for key, _ in flatten(load_yaml(ROOT / "params.yaml"))]
    assert set(marks) == set(keys)
    assert {stage for marked in marks.values() for stage in marked} == set(stages)
    assert all("●" in marked.values() for marked in marks.values())
    assert {key.partition(".")[0] for key in CHANGES} == {key.partition(".")[0] for key in keys}


def test_the_stages_of_parameters_are_listed_in_order(
    repository: Path, graph: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(repository)
    stages, marks = graph
    listed = affected("lr", "augment").stdout.split()
    expected = {*marks["lr"], *marks["augment.contrast"]}
    assert listed == [stage for stage in stages if stage in expected]
    families = [stage.partition("@")[0] for stage in affected("augment").stdout.split()]
    assert list(dict.fromkeys(families)) == [
        "augment", "train", "evaluate", "inspect", "report",
    ]  # fmt: skip


def test_dvc_finds_each_parameter_changed_in_the_same_stages(
    repository: Path, graph: Graph, reproduce: Reproduce
) -> None:
    """Compare ● with DVC's status of the parameters of the stages."""
    file = repository / "params.yaml"
    before = file.read_bytes()
    with params_read_once() as forget, Repo() as repo:

        def changed() -> set[str]:
            forget()
            stages = repo.index.stages
            return {s.addressing for s in stages if any(each.status() for each in s.params)}

        for name, value in CHANGES.items():
            set_params(repository, {name: value})
            direct = {stage for stage, mark in graph[1][name].items() if mark == "●"}
            assert changed() == direct, name
            file.write_bytes(before)
        assert changed() == set()


@pytest.mark.slow
def test_repro_runs_the_listed_stages(repository: Path, graph: Graph, reproduce: Reproduce) -> None:
    """● alone while the outputs stay the same, ● and ○ when they change."""
    set_params(repository, {"lr": 0.001})
    shared = {f"train@{name}" for name, network in NETWORKS.items() if network.lr == "lr"}
    assert reproduce("first") == shared
    set_params(repository, {"pokemon14000.count": 73})
    assert reproduce("second") == set(graph[1]["pokemon14000.count"])
    assert set(affected("pokemon14000.count").stdout.split()) == set(graph[1]["pokemon14000.count"])


@pytest.mark.slow
def test_an_encoder_runs_only_evaluations_and_the_report(
    repository: Path, graph: Graph, reproduce: Reproduce
) -> None:
    set_params(repository, {"evaluate.encoders": [ENCODER, "inception"]})
    families = ("encode@", "evaluate@", "report")
    assert reproduce("third") == {name for name in graph[0] if name.startswith(families)}


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
