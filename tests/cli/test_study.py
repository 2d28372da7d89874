"""Studies, by real DVC, Optuna and MLflow; most of them of a pipeline whose one stage is arithmetic."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import ANY, Mock

import dvc.api
import mlflow
import optuna
import pytest
from click.testing import CliRunner, Result
from filelock import FileLock
from optuna.study import StudyDirection
from optuna.trial import TrialState

from pokegan.cli.study import study, tell_mlflow
from tests.conftest import (
    assert_one_sentence,
    commit,
    environment,
    make_repository,
    run,
    start_process,
)
from tests.test_search_space import LR

STAGE = """\
import json, os, sys, time
from pathlib import Path
from pokegan.core.params import read_params
from pokegan.tracking.run import track_run

params = read_params("lr", "dcgan819")
if "TRACKED" in os.environ:
    with track_run(os.environ["DVC_STAGE"], params):
        pass
while (Path(os.environ["DVC_ROOT"]) / ".work" / "hold").exists():
    time.sleep(0.1)
if params.dcgan819.width == 3:
    sys.exit("Error: the width 3 brings bad luck.")
scores = {"fd": params.dcgan819.width + params.lr, "recall": params.lr}
file = Path("reports/dcgan819/scores/effnet_lite0.json")
file.parent.mkdir(parents=True, exist_ok=True)
file.write_text(json.dumps({f"{key}_effnet_lite0": value for key, value in scores.items()}))
"""


PIPELINE = """\
stages:
  evaluate_dcgan819:
    foreach: ${evaluate.encoders}
    do:
      cmd: python -m stages.arithmetic
      deps: [stages/arithmetic.py]
      params: [lr, dcgan819]
      metrics:
        - reports/dcgan819/scores/${item}.json: {cache: false}
"""


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The score of a trial is its width plus its learning rate; it waits as long as it is held.

    DVC runs no parameters twice: tests that hold trials each have their own.
    """
    folder = make_repository(tmp_path_factory.mktemp("study"))
    (folder / "stages" / "arithmetic.py").write_text(STAGE)
    (folder / "dvc.yaml").write_text(PIPELINE)
    commit(folder, "arithmetic")
    return folder


@pytest.fixture
def hold(repository: Path) -> Iterator[Path]:
    """A file that holds all trials until it goes."""
    file = repository / ".work" / "hold"
    file.parent.mkdir(exist_ok=True)
    file.touch()
    yield file
    file.unlink(missing_ok=True)


Call = Callable[..., Result]


@pytest.fixture
def call(repository: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """Call the command in the repository: call("--trials", "2", …) → click's result."""
    monkeypatch.chdir(repository)
    for name in os.environ.keys() - environment().keys():
        monkeypatch.delenv(name)
    for name, value in environment().items():
        monkeypatch.setenv(name, value)
    return lambda *arguments: CliRunner().invoke(study, ["dcgan819", *arguments])


def trials(repository: Path, name: str, *states: TrialState) -> list[optuna.trial.FrozenTrial]:
    storage = f"sqlite:///{repository / '.work' / 'studies.db'}"
    found = optuna.load_study(study_name=name, storage=storage)
    return found.get_trials(states=states or (TrialState.COMPLETE,))


def experiments(repository: Path, name: str) -> dict[str, str]:
    """Those of the study NAME → commit."""
    found = run("dvc", "exp", "list", "--name-only", cwd=repository).stdout.split()
    refs = run("git", "for-each-ref", "--format=%(refname) %(objectname)", cwd=repository).stdout
    commits = {ref.rpartition("/")[2]: sha for ref, sha in map(str.split, refs.splitlines())}
    return {each: commits[each] for each in found if each.rpartition("-")[0] == name}


def study_run(repository: Path, name: str) -> Any:
    """The one run of the study NAME."""
    client = mlflow.MlflowClient(f"sqlite:///{repository / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("pokegan").experiment_id
    wanted = f"tags.`dvc.stage` = 'study' AND attributes.run_name = 'study · {name}'"
    (found,) = client.search_runs([experiment], wanted)
    points = {
        key: [(point.step, point.value) for point in client.get_metric_history(found.info.run_id, key)]
        for key in found.data.metrics
    }  # fmt: skip
    return found, points


@pytest.fixture(scope="module")
def twice(repository: Path) -> tuple[str, str]:
    """What a study of two trials, gone on with to three in a fresh process, said on both streams."""
    (repository / "README.md").write_text("changed\n")
    words = ("-S", LR, "-S", "dcgan819.width=int(interval(4,64))", "--name", "twice", "--json")
    command = ("python", "-m", "pokegan.cli.study", "dcgan819", *words, "--trials")
    first = run(*command, "2", cwd=repository)
    assert json.loads(first.stdout)["trials"] == 2
    before = experiments(repository, "twice")
    assert before.keys() == {"twice-1", "twice-2"}
    second = run(*command, "3", cwd=repository, TRACKED="1")
    after = experiments(repository, "twice")
    assert after.keys() == {"twice-1", "twice-2", "twice-3"}
    assert before.items() <= after.items()
    assert (repository / "README.md").read_text() == "changed\n"
    run("git", "checkout", "README.md", cwd=repository)
    return second.stdout, second.stderr


def test_each_trial_is_an_experiment(repository: Path, twice: tuple[str, str]) -> None:
    done, commits = trials(repository, "twice"), experiments(repository, "twice")
    for trial in done:
        commit = commits[f"twice-{trial.number + 1}"]
        params = dvc.api.params_show("params.yaml", repo=str(repository), rev=commit)
        assert params["dcgan819"]["width"] == trial.params["dcgan819.width"]
        assert params["lr"] == pytest.approx(trial.params["lr"], rel=1e-5)
        assert trial.value == params["dcgan819"]["width"] + params["lr"]
    stdout, stderr = twice
    told = json.loads(stdout)
    best = min(done, key=lambda trial: trial.value)
    assert told["value"] == best.value
    assert told["experiment"] == f"twice-{best.number + 1}"
    assert f"dvc exp apply {told['experiment']}" in stderr
    run("dvc", "exp", "apply", told["experiment"], cwd=repository)
    assert "up to date" in run("dvc", "status", cwd=repository).stdout
    run("git", "checkout", "params.yaml", cwd=repository)
    run("git", "clean", "-fdq", cwd=repository)


def test_the_study_is_a_run_and_its_trials_stand_below_it(
    repository: Path, twice: tuple[str, str]
) -> None:
    told = json.loads(twice[0])
    found, points = study_run(repository, "twice")
    values = [trial.value for trial in trials(repository, "twice")]
    assert points["fd_effnet_lite0"] == list(enumerate(values, start=1))
    assert points["best_fd_effnet_lite0"] == [(n, min(values[:n])) for n in (1, 2, 3)]
    assert found.info.status == "FINISHED"
    assert found.data.params["lr"] == "tag(log,interval(0.00001,0.001))"
    assert found.data.params["score"] == "fd_effnet_lite0"
    assert found.data.tags["best"] == told["experiment"]
    assert found.data.tags["best.lr"] == str(told["params"]["lr"])
    client = mlflow.MlflowClient(f"sqlite:///{repository / 'mlflow.db'}")
    below = f"tags.mlflow.parentRunId = '{found.info.run_id}'"
    (trial,) = client.search_runs([found.info.experiment_id], below)
    assert trial.info.run_name == "evaluate_dcgan819@effnet_lite0 · twice-3"


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ("--score recall", ["score: fd_effnet_lite0", "now it is recall_effnet_lite0"]),
        ("-S dcgan819.ema=0.9", ["dcgan819.ema: 0.0", "now it is 0.9"]),
        ("-S dcgan819.ema=0,0.9", ["-S dcgan819.ema: absent"]),
    ],
)
def test_another_aim_is_another_study(
    twice: tuple[str, str], call: Call, arguments: str, named: list[str]
) -> None:
    words = ("--name", "twice", "-S", LR, "-S", "dcgan819.width=int(interval(4,64))")
    assert_one_sentence(call(*words, *arguments.split()), *named)


def test_a_trial_that_fails_keeps_its_reason_and_the_study_goes_on(call: Call) -> None:
    words = ("--name", "luck", "-S", "dcgan819.width=8,3", "-S", LR, "--score", "recall", "--json")
    result = call(*words, "--trials", "1")
    assert result.exit_code == 0, result.output
    failed, done = trials(Path(), "luck", TrialState.FAIL), trials(Path(), "luck")
    assert failed
    assert {trial.params["dcgan819.width"] for trial in failed} == {3}
    assert {trial.params["dcgan819.width"] for trial in done} == {8}
    told = json.loads(result.stdout)
    assert told["score"] == "recall_effnet_lite0"
    assert told["value"] == told["params"]["lr"]
    name = f"luck-{failed[0].number + 1}"
    assert name not in experiments(Path(), "luck")
    assert f"{name} failed: the width 3 brings bad luck." in result.stderr
    found = optuna.load_study(study_name="luck", storage="sqlite:///.work/studies.db")
    assert found.user_attrs[f"{name} failed"] == "the width 3 brings bad luck."
    assert found.direction == StudyDirection.MAXIMIZE


def test_a_study_of_which_all_fails_stops(call: Call) -> None:
    result = call("--name", "none", "-S", LR, "-S", "dcgan819.width=3")
    assert result.exit_code == 1
    assert "Error: 3 trials failed one after another" in result.output.splitlines()[-1]
    assert "the width 3 brings bad luck." in result.output.splitlines()[-1]
    assert study_run(Path(), "none")[0].info.status == "FAILED"


def test_what_was_tried_is_not_tried_again(call: Call) -> None:
    result = call("--name", "few", "-S", "dcgan819.width=4,5", "--trials", "8")
    assert result.exit_code == 0, result.output
    done = trials(Path(), "few")
    assert len(done) == 8
    assert len(experiments(Path(), "few")) == 2
    assert {trial.value for trial in done} == {4.0002, 5.0002}
    assert len(study_run(Path(), "few")[1]["fd_effnet_lite0"]) == 8


def test_ctrl_c_leaves_the_trial_open_for_the_next_call(
    repository: Path, call: Call, hold: Path
) -> None:
    words = ("--name", "stopped", "-S", LR, "-S", "dcgan819.width=5", "--trials", "1")
    process = begin(repository, *words)
    wait_for(lambda: "> python" in log(repository, "stopped-1"), process)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 128 + signal.SIGINT
    assert not experiments(repository, "stopped")
    assert study_run(repository, "stopped")[0].info.status == "KILLED"
    (before,) = trials(repository, "stopped", TrialState.RUNNING)

    hold.unlink()
    result = call(*words)
    assert result.exit_code == 0, result.output
    (after,) = trials(repository, "stopped")
    assert (after.number, after.params) == (before.number, before.params)
    assert experiments(repository, "stopped").keys() == {"stopped-1"}
    found, points = study_run(repository, "stopped")
    assert found.info.status == "FINISHED"
    assert points["fd_effnet_lite0"] == [(1, after.value)]


def test_a_trial_whose_study_was_killed_is_not_lost(
    repository: Path, call: Call, hold: Path
) -> None:
    """DVC goes on with it alone; who comes meanwhile leaves it alone, and then takes its score."""
    words = ("--name", "killed", "-S", LR, "-S", "dcgan819.width=6", "--trials", "1")
    process = begin(repository, *words)
    wait_for(lambda: "> python" in log(repository, "killed-1"), process)
    process.kill()
    process.wait()
    meanwhile = call(*words)
    assert meanwhile.exit_code == 0, meanwhile.output
    assert "Other processes run the last trial" in meanwhile.stderr

    hold.unlink()
    wait_for(lambda: "dvc exp apply" in log(repository, "killed-1"))
    made = experiments(repository, "killed")
    wait_for(lambda: call(*words).exit_code == 0 and bool(trials(repository, "killed")))
    (trial,) = trials(repository, "killed")
    assert trial.number == 0
    assert experiments(repository, "killed") == made
    assert log(repository, "killed-1").count("> python") == 1


def test_two_at_once_share_the_work(repository: Path, hold: Path) -> None:
    words = ("--name", "both", "-S", LR, "-S", "dcgan819.width=range(7,99)", "--trials", "3")
    both = [begin(repository, *words) for _ in range(2)]
    wait_for(
        lambda: all("> python" in log(repository, f"both-{number}") for number in (1, 2)), *both
    )
    hold.unlink()
    said = [process.communicate()[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    done, made = trials(repository, "both"), experiments(repository, "both")
    assert made.keys() == {f"both-{trial.number + 1}" for trial in done}
    assert len(done) == 3
    for trial in done:
        commit = made[f"both-{trial.number + 1}"]
        params = dvc.api.params_show("params.yaml", repo=str(repository), rev=commit)
        assert params["dcgan819"]["width"] == trial.params["dcgan819.width"]
    assert len(study_run(repository, "both")[1]["fd_effnet_lite0"]) == 3


def test_no_two_tell_mlflow_of_a_trial(repository: Path, hold: Path) -> None:
    words = ("--name", "told", "-S", LR, "-S", "dcgan819.width=101", "--trials", "1")
    process = begin(repository, *words)
    wait_for(lambda: "> python" in log(repository, "told-1"), process)
    with FileLock(repository / ".work" / "studies.lock"):
        hold.unlink()
        wait_for(lambda: bool(trials(repository, "told")), process)
        time.sleep(2)  # long enough for one that does not wait for its turn
        assert "fd_effnet_lite0" not in study_run(repository, "told")[1]
    assert "told-1" in process.communicate()[1]
    assert len(study_run(repository, "told")[1]["fd_effnet_lite0"]) == 1


def test_who_finds_all_under_way_elsewhere_leaves_it_to_them(
    repository: Path, call: Call, hold: Path
) -> None:
    words = ("--name", "shared", "-S", "dcgan819.width=102,103", "--trials")
    both = [begin(repository, *words, "2") for _ in range(2)]
    wait_for(
        lambda: all("> python" in log(repository, f"shared-{number}") for number in (1, 2)), *both
    )
    third = call(*words, "3")
    assert third.exit_code == 0, third.output
    assert "Other processes run all that is proposed." in third.stderr
    assert study_run(repository, "shared")[0].info.status == "RUNNING"
    hold.unlink()
    said = [process.communicate()[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    found, points = study_run(repository, "shared")
    assert found.info.status == "FINISHED"
    assert sorted(points["fd_effnet_lite0"]) == [(1, ANY), (2, ANY)]


def test_other_code_is_another_study(repository: Path, call: Call) -> None:
    words = ("--name", "code", "-S", LR, "-S", "dcgan819.width=104", "--trials")
    assert call(*words, "1").exit_code == 0
    code = repository / "stages" / "arithmetic.py"
    code.write_text(f"{STAGE}# a remark\n")
    try:
        assert_one_sentence(call(*words, "2"), "begun with code: ", "begin another by --name")
    finally:
        code.write_text(STAGE)


def test_what_waits_for_mlflow_is_told_once(repository: Path, call: Call) -> None:
    """MLflow that comes after the first trial gives the run its name then."""
    words = ("--name", "late", "-S", LR, "-S", "dcgan819.width=105", "--trials", "2")
    assert call(*words).exit_code == 0
    aim = Mock(score="fd_effnet_lite0", direction="minimize")
    aim.space.values = dict
    found = optuna.load_study(study_name="late", storage="sqlite:///.work/studies.db")
    run = Mock(id=None, steps=set())
    run.metrics.side_effect = lambda _, step: run.steps.add(step)
    tell_mlflow(run, found, aim)
    run.id = "late"
    tell_mlflow(run, found, aim)
    assert [each.kwargs["step"] for each in run.metrics.call_args_list] == [1, 2]
    again = Mock(id="late", steps=set())
    tell_mlflow(again, found, aim)
    again.metrics.assert_not_called()


def begin(repository: Path, *words: str) -> subprocess.Popen[str]:
    """A study in a process of its own."""
    return start_process(repository, "-m", "pokegan.cli.study", "dcgan819", *words)


def log(repository: Path, experiment: str) -> str:
    """What DVC said so far when it ran EXPERIMENT."""
    file = repository / ".work" / "studies" / experiment.rpartition("-")[0] / f"{experiment}.log"
    return file.read_text() if file.exists() else ""


def wait_for(condition: Callable[[], bool], *processes: subprocess.Popen[str]) -> None:
    """Until CONDITION holds, while none of PROCESSES ends."""
    deadline = time.monotonic() + 120
    while not condition():
        for process in processes:
            assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_an_experiment_of_somebody_else_is_not_taken(repository: Path, call: Call) -> None:
    run("dvc", "exp", "run", "--temp", "--name", "mine-1", cwd=repository)
    assert_one_sentence(call("--name", "mine", "-S", LR), "mine-1 is there already", "--name")
    assert experiments(repository, "mine").keys() == {"mine-1"}


def test_without_a_name_in_git_nothing_begins(repository: Path, call: Call) -> None:
    run("git", "config", "--unset", "user.email", cwd=repository)
    assert_one_sentence(call("--name", "nobody", "-S", LR), "git config user.email")
    run("git", "config", "user.email", "t@example.org", cwd=repository)


def test_without_mlflow_the_study_goes_on(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    result = call("--name", "alone", "-S", LR, "--trials", "1")
    assert result.exit_code == 0, result.output
    assert "Warning: MLflow cannot be reached" in result.stderr
    assert len(trials(Path(), "alone")) == 1
