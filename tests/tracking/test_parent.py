"""The identity of an execution of the pipeline."""

from pathlib import Path

import pytest

from pokegan.tracking.parent import Pipeline, create_parent, create_study_run
from pokegan.tracking.store import connect
from tests.conftest import commit, run, set_params


@pytest.fixture
def repository(workspace: Path) -> Path:
    """A working directory under git, with code."""
    for name in ("stages/train.py", "pokegan/gans/dcgan.py", "pokegan/cli/play.py"):
        (workspace / name).parent.mkdir(parents=True, exist_ok=True)
        (workspace / name).write_text("code\n")
    run("git", "init", "-q", "-b", "main", cwd=workspace)
    commit(workspace, "start")
    return workspace


def test_an_execution_is_the_same_before_and_after_a_commit(repository: Path) -> None:
    set_params(repository, {"lr": 0.001})
    before = Pipeline().content
    commit(repository, "lr")
    assert Pipeline().content == before
    assert Pipeline(revision="HEAD").content == before
    assert Pipeline(revision="HEAD^").content != before
    assert Pipeline(revision="HEAD").params == Pipeline().params


@pytest.mark.parametrize(
    ("file", "differs"), [("pokegan/gans/dcgan.py", True), ("pokegan/cli/play.py", False)]
)
def test_an_execution_depends_on_the_code_that_decides_results(
    repository: Path, file: str, differs: bool
) -> None:
    before = Pipeline().content
    (repository / file).write_text("other code\n")
    assert (Pipeline().content != before) == differs


def test_an_execution_is_named_after_its_experiment_or_commit(repository: Path) -> None:
    commit = run("git", "rev-parse", "--short", "HEAD", cwd=repository).stdout.strip()
    assert Pipeline().name == f"repro {commit}"
    assert Pipeline("bolder").name == "bolder"


@pytest.mark.slow
def test_an_execution_of_a_study_is_below_its_run(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = create_study_run("search")
    store = connect()
    alone = create_parent(store, Pipeline(), "alone", {})
    monkeypatch.setenv("POKEGAN_STUDY_RUN", study)
    trial = create_parent(store, Pipeline("search-0"), "search-0", {})
    found = [store.client.get_run(each.info.run_id).data.tags for each in (alone, trial)]
    assert [tags.get("mlflow.parentRunId") for tags in found] == [None, study]
