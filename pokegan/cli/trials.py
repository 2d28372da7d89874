"""Trials of a study: which is next, and its run as an experiment of DVC's.

A trial that was stopped, in whatever way, stays open in Optuna's storage, and its log tells by a
lock whether anybody still runs it. Who comes next takes it up under its number, its name and its
parameters; so a study proposes the same however often it is stopped, and a training goes on.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from pokegan.cli.search_space import SearchSpace, resolved
from pokegan.core.errors import PipelineError
from pokegan.core.params import PARAMS_FILE, NetworkName, Params, flatten
from pokegan.core.provenance import root
from pokegan.core.signals import GracefulInterrupt
from pokegan.tracking.lockfile import upcoming

if TYPE_CHECKING:
    from optuna import Study
    from optuna.samplers import TPESampler
    from optuna.trial import FrozenTrial

REPEATS = 20  # proposals in a row that another process tries already, until nobody asks on
A_LOOK = 0.2  # second between two looks at what DVC says
STAGES_BEGIN = b"Reproducing experiment"


@dataclass(frozen=True)
class Aim:
    """What the study NAME is after: the best SCORE (a full name) of NETWORK within SPACE.

    PARAMS are those of params.yaml with the fixed ones of the space, CODE is what `code_of` says.
    """

    name: str
    network: str
    encoder: str
    score: str
    direction: str
    space: SearchSpace
    params: Params
    code: str

    def experiment(self, number: int) -> str:
        """What the trial NUMBER is called: counted from 1, as DVC counts a queue's."""
        return f"{self.name}-{number + 1}"

    def facts(self) -> dict[str, Any]:
        """What two trials must have in common for their scores to compare."""
        others = {*NETWORKS} - {self.network}
        same = {
            key: value
            for key, value in flatten(self.params.model_dump())
            if key.partition(".")[0] not in others
            and key not in self.space.searched
            and key != "evaluate.encoders"
        }
        searched = {f"-S {key}": str(space) for key, space in self.space.searched.items()}
        told = {"network": self.network, "score": self.score, "code": self.code}
        return {**told, **searched, **same}


def code_of(network: str, encoder: str) -> str:
    """The same as long as the code is that trains NETWORK and has ENCODER score it."""
    stages = (f"train_{network}", f"evaluate_{network}@{encoder}")
    files = [file for stage in stages for file in upcoming(stage, {}).code.items()]
    return hashlib.md5(json.dumps(files).encode(), usedforsecurity=False).hexdigest()[:12]


@dataclass(frozen=True)
class Trial:
    """One to be run. LOG is locked as long as a process lives that has it open."""

    number: int
    experiment: str
    values: dict[str, Any]
    log: IO[bytes]


def next_trial(study: Study, aim: Aim, trials: int) -> Trial | None:
    """One to be run: one that nobody runs any more, else a new one; None if there are enough.

    A new one that repeats another is not run: it gets the other's score, or fails if there is none
    yet; after many of these in a row the others run all that there is.

    Raises:
        PipelineError: params.yaml or the code is not what it was when the study began, or there is
            an experiment of that name that the study knows nothing of.
    """
    from optuna.trial import TrialState

    params = resolved(aim.space.overrides({}))
    now = replace(aim, params=params, code=code_of(aim.network, aim.encoder))
    if now.facts() != aim.facts():
        raise PipelineError(
            f"{PARAMS_FILE} or the code was changed, and the scores would not compare; "
            "change it back to go on."
        )

    repeats = 0
    while repeats < REPEATS:
        before = study.get_trials(deepcopy=False)
        done = [trial for trial in before if trial.state == TrialState.COMPLETE]
        open_ones = [trial for trial in before if trial.state == TrialState.RUNNING]
        if len(done) >= trials:
            return None
        for trial in open_ones:
            if trial.params.keys() != aim.space.searched.keys():  # killed while it was proposed
                study.tell(trial.number, state=TrialState.FAIL)
                continue
            experiment = aim.experiment(trial.number)
            if log := take_hold(aim, experiment):
                click.echo(f"{experiment} is gone on with.", err=True)
                return Trial(trial.number, experiment, aim.space.values(trial.params), log)
        if len(done) + len(open_ones) >= trials:
            many = f"{len(open_ones)} trials" if len(open_ones) > 1 else "trial"
            click.echo(f"Other processes run the last {many}.", err=True)
            return None
        number = len(before)
        experiment = aim.experiment(number)
        if find_commit(experiment):
            raise PipelineError(
                f"The experiment {experiment} is there already, but not by this study; begin "
                f"another by --name, or: dvc exp remove {experiment}."
            )
        study.sampler = sampler(aim.params.seed, number)
        values = aim.space.values(study.ask(aim.space.searched).params)
        others = done + open_ones
        same = next((each for each in others if aim.space.values(each.params) == values), None)
        log = None if same else take_hold(aim, experiment)
        if log:
            return Trial(number, experiment, values, log)
        if same and same.state == TrialState.COMPLETE:
            study.tell(number, same.value)
        else:
            study.tell(number, state=TrialState.FAIL)
            repeats += 1
    click.echo("Other processes run all that is proposed.", err=True)
    return None


def held_elsewhere(study: Study, aim: Aim) -> bool:
    """Whether another process runs a trial of STUDY."""
    from optuna.trial import TrialState

    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        log = take_hold(aim, aim.experiment(trial.number))
        if log is None:
            return True
        log.close()
    return False


def sampler(seed: int, number: int) -> TPESampler:
    """Of the trial NUMBER alone, so that a study proposes the same however often it is stopped."""
    import numpy as np
    import optuna

    own = int(np.random.SeedSequence((seed, number)).generate_state(1)[0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        # Trials under way in other processes count as bad ones: nobody tries the same.
        return optuna.samplers.TPESampler(seed=own, constant_liar=True)


def take_hold(aim: Aim, experiment: str) -> IO[bytes] | None:
    """The log of EXPERIMENT, to append to; None if a process holds it, which then runs it."""
    logs(aim).mkdir(parents=True, exist_ok=True)
    file = (logs(aim) / f"{experiment}.log").open("ab")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file


def logs(aim: Aim) -> Path:
    """The folder of what DVC and the stages say in each trial."""
    return root() / ".work" / "studies" / aim.name


def run_experiment(
    aim: Aim,
    trial: Trial,
    parent: str | None,
    interruption: GracefulInterrupt,
    begun: Callable[[], None],
) -> str:
    """Let DVC run TRIAL unless that was done; what DVC and the stages said.

    PARENT is the study's run in MLflow. BEGUN is called when DVC leaves the user's files alone. A
    signal reaches the stages as one Ctrl-C, not before.
    """
    if find_commit(trial.experiment):
        return ""
    overrides = aim.space.overrides(trial.values)
    click.echo(f"{trial.experiment}: {' '.join(overrides)}", err=True)
    command = [sys.executable, "-m", "dvc", "--wait-for-lock", "exp", "run", "--temp"]
    command += ["--name", trial.experiment, *(word for each in overrides for word in ("-S", each))]
    command += [f"evaluate_{aim.network}@{aim.encoder}"]
    env = {**os.environ, "PYTHONUNBUFFERED": "1"}
    if parent:
        env["POKEGAN_PARENT_RUN"] = parent
    said, running, stopping = b"", False, False
    with Path(trial.log.name).open("rb") as tail:
        tail.seek(0, os.SEEK_END)
        dvc = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=trial.log, stderr=subprocess.STDOUT,
            env=env, process_group=0,
        )  # fmt: skip
        try:
            while True:
                ended = dvc.poll() is not None
                news = tail.read()
                said += news
                click.echo(news, nl=False, err=True)
                if ended:
                    return said.decode(errors="replace")
                if not running and STAGES_BEGIN in said:
                    running = True
                    begun()
                if running and interruption.requested and not stopping:
                    stopping = True
                    os.killpg(dvc.pid, signal.SIGINT)
                time.sleep(A_LOOK)
        except KeyboardInterrupt:
            os.killpg(dvc.pid, signal.SIGINT)
            raise


def reason(said: str) -> str:
    """The sentence by which a stage, or else DVC, tells in SAID why it failed."""
    for mark in ("Error: ", "ERROR: "):
        for line in reversed(said.splitlines()):
            if line.startswith(mark):
                return line.removeprefix(mark).rstrip(".") + "."
    return "DVC ended without a word."


def find_commit(experiment: str) -> str | None:
    """The commit of EXPERIMENT, whatever it began at."""
    # refs/exps/<two digits of the commit that it began at>/<the others>/<name>
    pattern = f"refs/exps/??/*/{experiment}"
    return git("for-each-ref", "--format=%(objectname)", pattern).partition("\n")[0] or None


def read_score(aim: Aim, experiment: str) -> float | None:
    """The score of EXPERIMENT; None if there is no such experiment."""
    import dvc.api  # type: ignore[import-untyped]

    commit = find_commit(experiment)
    if commit is None:
        return None
    # Not metrics_show: it wants the file in the workspace, too.
    file = f"reports/{aim.network}/scores/{aim.encoder}.json"
    return float(json.loads(dvc.api.read(file, rev=commit))[aim.score])


def completed(study: Study) -> list[FrozenTrial]:
    """Those with a score, in the order of their numbers."""
    from optuna.trial import TrialState

    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))


def value_of(trial: FrozenTrial) -> float:
    """The score of TRIAL, a completed one."""
    assert trial.value is not None
    return trial.value


def best_of(trials: list[FrozenTrial], direction: str) -> FrozenTrial | None:
    """The first of the best of TRIALS, completed ones; None of none."""
    choose = min if direction == "minimize" else max
    return choose(trials, key=value_of, default=None)


def git(*arguments: str) -> str:
    """What git answers; nothing if it does not know."""
    command = ["git", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
