"""Studies by real DVC and Optuna, on a pipeline whose one stage is arithmetic."""

import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import optuna
import psutil
import pytest
import yaml
from click.testing import CliRunner, Result

from pokegan.cli.experiments import check
from pokegan.cli.study import StudyFile, study
from pokegan.core.params import load_yaml, validate
from pokegan.report.ablations import AblationFile
from tests.cli.conftest import make_arithmetic
from tests.conftest import ROOT, assert_one_sentence, run, start_process
from tests.tracking.toy import all_runs, store

STAGE = """\
import json, os, sys, time
from pathlib import Path
from pokegan.core.params import read_params

params = read_params("lr", "dcgan819")
width = params["dcgan819"].width
hold = Path(os.environ["DVC_ROOT"]) / ".work/hold"
while hold.exists():
    hold.with_name("held").touch()
    time.sleep(0.1)
if width == 3:
    sys.exit("Error: the stage failed.")
if width == 5:
    sys.exit("Error: generator_loss became nan at step 3: the training has diverged.")
folder = Path("reports/networks/dcgan819")
folder.mkdir(parents=True, exist_ok=True)
(folder / "scores.json").write_text(json.dumps({"fd_effnet_lite0": width + params.lr}))
(folder / "history.csv").write_text(f"step,collapsed\\n1,0\\n2,{int(width == 7)}\\n")
"""
STAGES = """\
stages:
  evaluate:
    foreach: [dcgan819]
    do:
      cmd: python -m stages.arithmetic
      deps: [stages/arithmetic.py]
      params: [lr, dcgan819]
      metrics:
        - reports/networks/${item}/scores.json: {cache: false}
      plots:
        - reports/networks/${item}/history.csv: {cache: false}
"""
Study = Callable[..., Result]


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The score of a trial is its width plus its learning rate."""
    return make_arithmetic(tmp_path_factory.mktemp("study"), STAGE, STAGES)


def write(file: Path, **changes: Any) -> Path:
    content = {
        "name": file.stem,
        "network": "dcgan819",
        "encoder": "effnet_lite0",
        "metric": "fd",
        "direction": "minimize",
        "sampler": "random",
        "seed": 1,
        "space": {
            "dcgan819.width": {"low": 8, "high": 64, "step": 8},
            "lr": {"low": 1e-5, "high": 1e-3, "log": True},
        },
    }
    file.write_text(yaml.safe_dump({**content, **changes}, sort_keys=False))
    return file


@pytest.fixture
def call(repository: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
    """Run a study in the repository: ``call(name, "--trials", "2", **changes)``."""
    monkeypatch.chdir(repository)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("POKEGAN_STUDY_RUN", "")  # a study sets it

    def call(name: str, *options: str, **changes: Any) -> Result:
        return CliRunner().invoke(
            study, [str(write(repository / f"{name}.yaml", **changes)), *options]
        )

    return call


def load(repository: Path, name: str) -> optuna.Study:
    return optuna.load_study(study_name=name, storage=f"sqlite:///{repository}/.work/studies.db")


@pytest.mark.slow
def test_trials_are_experiments_and_a_study_is_continued(call: Study, repository: Path) -> None:
    result = call("a", "--trials", "2")
    assert result.exit_code == 0, result.output
    result = call("a", "--trials", "3")
    trials = load(repository, "a").get_trials()
    assert [trial.state.name for trial in trials] == ["COMPLETE"] * 3
    assert len({trial.params["lr"] for trial in trials}) == 3
    experiments = run("dvc", "exp", "list", "--name-only", cwd=repository).stdout.split()
    assert {"a-0", "a-1", "a-2"} <= set(experiments)
    best = min(trials, key=lambda trial: trial.value)
    assert f"dvc exp apply a-{best.number}" in result.output
    run("dvc", "exp", "apply", f"a-{best.number}", cwd=repository)
    params = yaml.safe_load((repository / "params.yaml").read_text())
    assert params["dcgan819"]["width"] == best.params["dcgan819.width"]
    assert float(params["lr"]) == float(f"{best.params['lr']:.6g}")
    run("git", "checkout", "-q", ".", cwd=repository)
    result = call("a", "--trials", "3")
    assert len(load(repository, "a").get_trials()) == 3
    # The study has one run in MLflow.
    runs = [each for each in all_runs(store(repository)) if "study" in each.data.tags]
    assert [(each.info.run_name, each.info.status) for each in runs] == [("a", "FINISHED")]
    assert os.environ["POKEGAN_STUDY_RUN"] == runs[0].info.run_id
    changed = call("a", "--trials", "4", seed=2)
    assert_one_sentence(changed, "a.yaml differs from the study 'a'", "change its name")


@pytest.mark.slow
def test_diverged_and_collapsed_trials_are_pruned_and_failures_end_a_study(
    call: Study, repository: Path
) -> None:
    assert call("b", "--trials", "1", space={"dcgan819.width": [5]}).exit_code == 0
    result = call("c", "--trials", "1", space={"dcgan819.width": [7]})
    assert "no trial has a score" in result.output
    states = [load(repository, name).get_trials()[0].state.name for name in "bc"]
    assert states == ["PRUNED", "PRUNED"]
    failed = call("d", space={"dcgan819.width": [3]})
    assert failed.exit_code == 1
    assert failed.output.splitlines()[-1].startswith(
        "Error: 3 trials in a row failed, the last with"
    )
    assert "the stage failed" in failed.output.splitlines()[-1]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_trial_is_run_again(repository: Path, number: signal.Signals) -> None:
    name = f"stopped-{number.name}"
    # With parameters of their own: DVC would restore those of another trial.
    file = write(repository / f"{name}.yaml", seed=100 + number)
    hold, held = repository / ".work/hold", repository / ".work/held"
    hold.parent.mkdir(exist_ok=True)
    hold.touch()
    held.unlink(missing_ok=True)
    command = ("-c", "from pokegan.cli import main; main()", "study", str(file), "--trials", "1")
    process = start_process(repository, *command)
    deadline = time.monotonic() + 60
    while not held.exists():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    process.send_signal(number)
    hold.unlink()
    process.communicate(timeout=60)
    assert process.returncode != 0
    first, again = load(repository, name).get_trials()
    # A trial that stays RUNNING would be run a third time, as that of a dead worker.
    assert (first.state.name, again.state.name) == ("FAIL", "WAITING")
    run(sys.executable, *command, cwd=repository)
    *_, last = load(repository, name).get_trials()
    assert last.state.name == "COMPLETE"
    assert last.params == first.params


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_all_processes_leaves_the_workspace_unchanged(
    repository: Path, number: signal.Signals
) -> None:
    """DVC changes params.yaml while it prepares an experiment.

    A terminal sends SIGINT to a process group, a cluster SIGTERM to each process of a job.
    """
    file = write(repository / f"prepared-{number.name}.yaml", seed=300 + number)
    params = repository / "params.yaml"
    before = params.read_bytes()
    code = "import os; os.setpgid(0, 0); from pokegan.cli import main; main()"
    process = start_process(repository, "-c", code, "study", str(file), "--trials", "1")
    deadline = time.monotonic() + 60
    while params.read_bytes() == before:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    if number == signal.SIGTERM:
        for each in psutil.Process(process.pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                each.send_signal(number)
    os.killpg(process.pid, number)
    process.communicate(timeout=60)
    assert process.returncode != 0
    assert params.read_bytes() == before
    assert not run("git", "diff", "HEAD", "--name-only", cwd=repository).stdout


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"network": "vae"}, ["network is 'vae'", "dcgan819, dcgan14000, aegan"]),
        ({"metric": "fid"}, ["metric is 'fid'", "must be 'fd'"]),
        ({"encoder": "inception"}, ["encoder inception is not in evaluate.encoders"]),
        ({"space": {}}, ["space is {}", "at least 1 item"]),
        ({"space": {"lr": {"low": 2, "high": 1}}}, ["space.lr: low must be less than high"]),
        ({"space": {"lr": {"low": 0, "high": 1, "log": True}}}, ["space.lr", "above 0 with log"]),
        ({"space": {"dcgan819.size": [1, 2]}}, ["dcgan819.size is not a parameter"]),
        ({"overrides": {"lr": 1}}, ["space.lr is also in overrides"]),
        ({"trials": 3}, ["trials is not a known key"]),
    ],
)  # fmt: skip
def test_mistakes_are_one_sentence_before_any_work(
    call: Study, repository: Path, changes: dict[str, Any], words: list[str]
) -> None:
    assert_one_sentence(call("bad", **changes), "bad.yaml", *words)
    assert not list(repository.glob(".dvc/tmp/exps/standalone/tmp*"))


def test_a_storage_that_cannot_be_opened_is_reported(call: Study) -> None:
    assert_one_sentence(call("e", "--storage", "nonsense"), "storage cannot be opened", "--storage")
    assert_one_sentence(call("e", "--storage", "sqlite:////no/such/x.db"), "cannot be opened")


def test_the_studies_of_the_repository_are_valid(repository: Path) -> None:
    for file in ROOT.glob("studies/*.yaml"):
        content = load_yaml(file)
        if "space" in content:
            found = validate(StudyFile, content, file)
            check(file, [found.network], found.encoder, {**found.space, **found.overrides})
        else:
            rows = validate(AblationFile, content, file)
            for row in rows.rows:
                check(file, [row.network], rows.encoder, row.overrides)
