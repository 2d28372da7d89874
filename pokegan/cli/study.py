"""Search hyper-parameters: a study file, Optuna's trials, DVC's experiments."""

from __future__ import annotations

import csv
import json
import os
import signal
import time
import warnings
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Self

import click
from pydantic import Field, model_validator

from pokegan.cli.experiments import check, committed, run, run_experiment
from pokegan.core.errors import PipelineError
from pokegan.core.experiments import Value, evaluation
from pokegan.core.params import load_yaml, validate
from pokegan.core.provenance import root
from pokegan.core.schema import EncoderName, Section
from pokegan.core.signals import exit_by_signal
from pokegan.metrics.names import metric_name

if TYPE_CHECKING:
    from optuna import Study, Trial

HEARTBEAT = 60  # seconds between a worker's heartbeats; after two missing ones, it counts as dead
MAX_RETRIES = 2  # of a trial whose worker died
ATTEMPTS = 3  # to open the storage
RUN = "mlflow_run"  # attribute of a study
RUN_DEADLINE = 60  # seconds that a worker waits for it
MAX_FAILURES = 3  # in a row, after which a study stops


class Range(Section):
    """A range of numbers, in the terms of Optuna's `suggest_float` and `suggest_int`."""

    low: int | float
    high: int | float
    log: bool = False
    step: int | float | None = None


Choices = Annotated[list[Value], Field(min_length=1)]


class StudyFile(Section):
    """What a study searches, and by which score."""

    name: str = Field(pattern=r"^[A-Za-z0-9][\w-]*$")
    network: str
    encoder: EncoderName
    metric: Literal[
        "fd", "kd", "cs", "precision", "recall", "density", "coverage", "near_duplicates"
    ]
    direction: Literal["minimize", "maximize"]
    sampler: Literal["tpe", "random"]
    seed: int
    overrides: dict[str, Value | list[Value]] = Field(default_factory=dict)
    space: Annotated[dict[str, Range | Choices], Field(min_length=1)]

    @model_validator(mode="after")
    def _check_space(self) -> Self:
        for key, values in self.space.items():
            if key in self.overrides:
                raise ValueError(f"space.{key} is also in overrides; remove one of them")
            if (
                isinstance(values, Range)
                and not (0 if values.log else -inf) < values.low < values.high
            ):
                raise ValueError(f"space.{key}: low must be less than high, and above 0 with log")
        return self

    def scores(self, experiment: str) -> dict[str, float]:
        """Return the scores that an experiment committed, and whether its generator collapsed."""
        folder = f"reports/networks/{self.network}"
        scores = committed(experiment, f"{folder}/scores.json")
        history = committed(experiment, f"{folder}/history.csv")
        *_, last = csv.DictReader(history.splitlines())
        return {**json.loads(scores), "collapsed": float(last["collapsed"])}

    def suggest(self, trial: Trial) -> dict[str, Value]:
        """Return the trial's value of each searched parameter; floats have six digits."""
        values: dict[str, Value] = {}
        for key, space in self.space.items():
            if isinstance(space, list):
                values[key] = trial.suggest_categorical(key, space)
                continue
            given = {name: value for name, value in space if value is not None}
            if all(isinstance(value, int) for value in given.values()):
                values[key] = trial.suggest_int(key, **given)
            else:
                # dvc.lock rounds the 17th digit, and DVC would not find the trial again.
                values[key] = float(f"{trial.suggest_float(key, **given):.6g}")
        return values


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--trials", type=click.IntRange(min=1), default=20, show_default=True,
    help="Total number of trials of the study, those of earlier calls included.",
)  # fmt: skip
@click.option(
    "--storage", metavar="URL", envvar="POKEGAN_STUDY_STORAGE", show_envvar=True,
    help="Database that the workers of a study share.  [default: SQLite in .work/]",
)  # fmt: skip
@click.option("--push", is_flag=True, help="Push each trial to git's origin and DVC's remote.")
def study(file: Path, trials: int, storage: str | None, push: bool) -> None:
    """Search for better parameters.

    FILE describes the study. Each trial is a DVC experiment, NAME-0, NAME-1, …: `dvc exp show`
    lists them, `dvc exp apply` restores one. The same command continues a study that was stopped.
    Workers, also on other machines, share a study by --storage; trials of dead ones are run again.

    \b
    pokegan study studies/dcgan819.yaml --trials 30
    pokegan study studies/dcgan819.yaml --storage postgresql://host/pokegan --push
    """  # noqa: D301
    described = validate(StudyFile, load_yaml(file), file)
    keys = dict.fromkeys(described.space) | described.overrides
    check(file, [described.network], described.encoder, keys)
    opened, is_new = open_study(described, file, storage)
    os.environ["POKEGAN_STUDY_RUN"] = mlflow_run(opened, is_new)
    # SystemExit queues an interrupted trial again.
    signal.signal(signal.SIGTERM, lambda number, _: exit_by_signal(number))
    run_trials(opened, described, trials, push)
    show_best(opened)


def open_study(described: StudyFile, file: Path, storage: str | None) -> tuple[Study, bool]:
    """Create the study, or load it from the storage; return whether it is new."""
    import optuna
    from optuna.exceptions import DuplicatedStudyError, ExperimentalWarning
    from optuna.storages import RDBStorage, RetryHeartbeatStaleTrialCallback
    from sqlalchemy.exc import ArgumentError, SQLAlchemyError

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore", ExperimentalWarning)  # the heartbeat
    path = root() / ".work" / "studies.db"
    path.parent.mkdir(exist_ok=True)
    url = storage or f"sqlite:///{path}"
    retry = RetryHeartbeatStaleTrialCallback(max_retry=MAX_RETRIES)
    for attempt in range(ATTEMPTS):  # workers that start together create the same tables
        try:
            database = RDBStorage(
                url, heartbeat_interval=HEARTBEAT, heartbeat_stale_trial_callback=retry
            )
            break
        except (SQLAlchemyError, ArgumentError, ImportError) as error:
            if attempt == ATTEMPTS - 1:
                problem = f"The storage cannot be opened ({str(error).splitlines()[0]})"
                raise PipelineError(f"{problem}; correct --storage.") from error
            time.sleep(1)
    name, direction, is_new = described.name, described.direction, True
    try:
        opened = optuna.create_study(storage=database, study_name=name, direction=direction)
    except DuplicatedStudyError:
        opened, is_new = optuna.load_study(study_name=name, storage=database), False
    content = described.model_dump_json()
    if opened.user_attrs.setdefault("file", content) != content:
        raise PipelineError(
            f"{file} differs from the study {described.name!r} in the storage; change its name to "
            "start another study, or restore the file."
        )
    opened.set_user_attr("file", content)
    return opened, is_new


def mlflow_run(opened: Study, is_new: bool) -> str:
    """Return the id of the run that the study's creator creates in MLflow; "" without one."""
    from pokegan.tracking.parent import create_study_run

    if is_new:
        opened.set_user_attr(RUN, create_study_run(opened.study_name))
    deadline = time.monotonic() + RUN_DEADLINE
    while RUN not in opened.user_attrs:
        time.sleep(0.5)
        if time.monotonic() > deadline:  # the creator died before
            opened.set_user_attr(RUN, "")
    return str(opened.user_attrs[RUN])


def run_trials(opened: Study, described: StudyFile, trials: int, push: bool) -> None:
    """Run trials until the study has as many as wanted, or several in a row failed."""
    from optuna.study import MaxTrialsCallback
    from optuna.trial import FrozenTrial, TrialState

    finished = (TrialState.COMPLETE, TrialState.PRUNED)
    failures = 0

    def count_failures(_: Study, trial: FrozenTrial) -> None:
        nonlocal failures
        failures = failures + 1 if trial.state == TrialState.FAIL else 0
        if failures == MAX_FAILURES:
            raise PipelineError(
                f"{failures} trials in a row failed, the last with: {trial.user_attrs['error']}"
            )

    if len(opened.get_trials(deepcopy=False, states=finished)) < trials:
        opened.optimize(
            lambda trial: objective(trial, opened, described, push),
            catch=(PipelineError,),
            callbacks=[count_failures, MaxTrialsCallback(trials, states=finished)],
        )


def objective(trial: Trial, opened: Study, described: StudyFile, push: bool) -> float:
    """Run one trial as a DVC experiment and return its score; prune a divergence or collapse."""
    from optuna import TrialPruned, samplers
    from optuna.trial import TrialState

    # A seed per trial: workers that start together would propose the same parameters.
    kinds = {"tpe": samplers.TPESampler, "random": samplers.RandomSampler}
    opened.sampler = kinds[described.sampler](seed=described.seed + trial.number)
    name = f"{described.name}-{trial.number}"
    values = {**described.overrides, **described.suggest(trial)}
    try:
        run_experiment(name, values, evaluation(described.network))
    except (KeyboardInterrupt, SystemExit) as interruption:
        opened.enqueue_trial(trial.params)  # its training resumes from the checkpoint
        if isinstance(interruption, SystemExit):  # Optuna would retry it, too
            opened.tell(trial, state=TrialState.FAIL)
        raise
    except PipelineError as error:
        if "diverged" in error.message:
            raise TrialPruned(error.message) from error
        trial.set_user_attr("error", error.message)
        raise
    if push:
        run("dvc", "exp", "push", "origin", name)
    scores = described.scores(name)
    if scores["collapsed"]:
        raise TrialPruned(f"{name}: the generator has collapsed.")
    return float(scores[metric_name(described.metric, described.encoder)])


def show_best(opened: Study) -> None:
    """Print the best trial and the command that restores it."""
    try:
        best = opened.best_trial
    except ValueError:  # all trials were pruned
        click.echo(f"{opened.study_name}: no trial has a score.", err=True)
        return
    click.echo(f"{opened.study_name}-{best.number}: {best.value:.6g}")
    for key, value in best.params.items():
        click.echo(f"  {key}: {f'{value:.6g}' if isinstance(value, float) else value}")
    click.echo(f"dvc exp apply {opened.study_name}-{best.number}")
