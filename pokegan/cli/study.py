"""Search parameters with Optuna, each trial an experiment of DVC's."""

from __future__ import annotations

import json
import math
import re
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from filelock import FileLock

from pokegan.cli.search_space import read_space, resolved
from pokegan.cli.trials import (
    Aim,
    best_of,
    code_of,
    completed,
    git,
    held_elsewhere,
    logs,
    next_trial,
    read_score,
    reason,
    run_experiment,
    value_of,
)
from pokegan.core.errors import PipelineError
from pokegan.core.params import NetworkName, read_params
from pokegan.core.schema import ENCODERS
from pokegan.core.provenance import root
from pokegan.core.signals import GracefulInterrupt, leave
from pokegan.metrics.names import metric_name
from pokegan.tracking.store import this_process

if TYPE_CHECKING:
    from optuna import Study

    from pokegan.tracking.run import Run

SMALLER_IS_BETTER = ("fd", "kd", "near_duplicates")
LARGER_IS_BETTER = ("cs", "precision", "recall")
WITHOUT_CLASSES = ("dinov2",)
# Failures one after another that end a study: of the first trials, and of later ones.
HOPELESS_AT_FIRST, HOPELESS = 3, 10


@click.command()
@click.argument("network", type=NetworkName())
@click.option(
    "-S", "--set-param", "words", multiple=True, metavar="KEY=VALUES",
    help="What is searched, or one value that all trials share; may be repeated.",
)  # fmt: skip
@click.option(
    "--trials", type=click.IntRange(min=1), default=20, show_default=True,
    help="Completed trials that the study is to have in all, those of earlier calls among them.",
)  # fmt: skip
@click.option("--name", help="Of the study and, with a number, its experiments.  [study-NETWORK]")
@click.option(
    "--score", type=click.Choice([*SMALLER_IS_BETTER, *LARGER_IS_BETTER]), default="fd",
    show_default=True, help="What is to be as good as can be.",
)  # fmt: skip
@click.option(
    "--encoder", type=click.Choice(ENCODERS), default="effnet_lite0", show_default=True,
    help="Which network scores.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="The best trial as JSON, on standard output.")
def study(
    network: str,
    words: tuple[str, ...],
    trials: int,
    name: str | None,
    score: str,
    encoder: str,
    as_json: bool,
) -> None:
    """Search parameters of NETWORK for the best score, with Optuna's TPE (Bergstra et al. 2011).

    Each trial is an experiment of DVC's, NAME-1, NAME-2, …, in a workspace of its own; `dvc exp
    show` lists them, and their runs stand below the study's in MLflow. The same command again goes
    on where the last one stopped, with the same trials as one that was never stopped; several at
    once share the work.

    VALUES: a,b,c or choice(a,b,c); range(start,stop,step), without stop; interval(low,high) or
    int(interval(low,high)); tag(log,…) of the last two searches their logarithm.

    \b
    python -m pokegan.cli.study dcgan819 -S 'lr=tag(log,interval(0.00001,0.001))' \\
                                    -S dcgan819.width=32,64,96 --trials 30
    python -m pokegan.cli.study aegan -S 'aegan.latent_dim=range(8,65,step=8)' -S aegan.epochs=0.2
    python -m pokegan.cli.study dcgan819 -S dcgan819.optimizer=adam,rmsprop --score recall --name recall
    """  # noqa: D301
    name = name or f"study-{network}"
    if not re.fullmatch(r"[A-Za-z0-9][\w-]*", name, re.ASCII):
        raise PipelineError(f"--name {name}: a name is of letters, digits, - and _; correct it.")
    if score == "cs" and encoder in WITHOUT_CLASSES:
        raise PipelineError(f"--score cs: {encoder} knows no classes; take another score.")
    read_params()
    lock = FileLock(root() / ".work" / "studies.lock")
    Path(lock.lock_file).parent.mkdir(exist_ok=True)
    with lock:  # where another call begins a trial, DVC changes params.yaml for a moment
        space = read_space(words, network)
        params = resolved(space.overrides({}))
        if encoder not in params.evaluate.encoders:
            encoders = ",".join([*params.evaluate.encoders, encoder])
            raise PipelineError(
                f"--encoder {encoder} is not among evaluate.encoders; "
                f"add -S 'evaluate.encoders=[{encoders}]'."
            )
        check_git()
        direction = "minimize" if score in SMALLER_IS_BETTER else "maximize"
        wanted, code = metric_name(score, encoder), code_of(network, encoder)
        aim = Aim(name, network, encoder, wanted, direction, space, params, code)
        found = open_study(aim)
    try:
        with in_mlflow(found, aim, lock) as run:
            search(found, aim, trials, run, lock)
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
    click.echo(summary(found, aim), err=True)
    if as_json:
        click.echo(json.dumps(best_as_json(found, aim), indent=2))


def check_git() -> None:
    """Raise a PipelineError unless DVC can make experiments here."""
    if not git("rev-parse", "--verify", "HEAD"):
        raise PipelineError("DVC's experiments need a commit to begin at; git commit your files.")
    if not (git("config", "user.name") and git("config", "user.email")):
        raise PipelineError(
            "DVC's experiments need your name: git config user.name … and git config user.email …."
        )


def open_study(aim: Aim) -> Study:
    """The study of that name in .work/studies.db, a new one if there is none.

    Raises:
        PipelineError: there is one that AIM would not go on with, or the file cannot be used.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    database = root() / ".work" / "studies.db"
    try:
        storage = optuna.storages.RDBStorage(
            f"sqlite:///{database}", engine_kwargs={"connect_args": {"timeout": 60}}
        )
        found = optuna.create_study(
            storage=storage, study_name=aim.name, direction=aim.direction, load_if_exists=True
        )
    except Exception as fault:  # SQLAlchemy's faults are many
        reason = str(fault).splitlines()[0]
        raise PipelineError(f"{database} cannot be used ({reason}); mend it or move it.") from fault
    facts, begun = aim.facts(), found.user_attrs.get("facts")
    if begun is None:
        found.set_user_attr("words", aim.space.words)
        found.set_user_attr("facts", facts)
        return found
    for key in {**facts, **begun}:
        before, now = begun.get(key, "absent"), facts.get(key, "absent")
        if before != now:
            raise PipelineError(
                f"The study {aim.name} was begun with {key}: {before}, and now it is {now}; the "
                "scores would not compare; ask for the same again, or begin another by --name."
            )
    return found


def search(study: Study, aim: Aim, trials: int, run: Run, lock: FileLock) -> None:
    """Run trials until TRIALS of STUDY are completed, and tell RUN of each.

    Raises:
        PipelineError: one trial after another fails.
        KeyboardInterrupt, SystemExit: a signal asked for it; the trial under way stays open.
    """
    from optuna.trial import TrialState

    failures = 0
    with GracefulInterrupt() as interruption:
        while True:
            # Of two calls at once, each could take the other's experiment from DVC's stash.
            lock.acquire()
            try:
                if interruption.requested:
                    leave(interruption.requested)
                trial = next_trial(study, aim, trials)
                if trial is None:
                    tell_mlflow(run, study, aim)
                    return
                said = run_experiment(aim, trial, run.id, interruption, begun=lock.release)
            finally:
                lock.release()
            with trial.log:  # nobody takes it up before it is told
                value = read_score(aim, trial.experiment)
                if value is not None and math.isfinite(value):
                    failures = 0
                    study.tell(trial.number, value)
                    with lock:  # of two calls at once, each would tell what the other tells
                        tell_mlflow(run, study, aim)
                    click.echo(f"{trial.experiment}: {aim.score} {value:.6g}", err=True)
                    continue
                if value is None and interruption.requested:
                    click.echo(f"{trial.experiment} is stopped; run the same to go on.", err=True)
                    leave(interruption.requested)
                failures += 1
                why = reason(said) if value is None else f"{aim.score} is {value}."
                study.tell(trial.number, state=TrialState.FAIL)
                study.set_user_attr(f"{trial.experiment} failed", why)
                click.echo(f"{trial.experiment} failed: {why}", err=True)
            if failures >= (HOPELESS if completed(study) else HOPELESS_AT_FIRST):
                raise PipelineError(
                    f"{failures} trials failed one after another, the last one because: {why} "
                    f"All that they said is in {logs(aim)}."
                )


@contextmanager
def in_mlflow(study: Study, aim: Aim, lock: FileLock) -> Iterator[Run]:
    """The run of STUDY in MLflow, the same one whenever the study is gone on with."""
    from pokegan.tracking.run import Run, closed_with_its_status

    run = Run()
    with lock:
        told = {"network": aim.network, "score": aim.score, **study.user_attrs["words"]}
        run.begin("study", told, resume=study.user_attrs.get("mlflow", {}).get("run"))
        run.set_tags({"mlflow.runName": f"study · {aim.name}"})
        tell_mlflow(run, study, aim)
    # Others that go on with it close it; it would else be at its end before they are.
    with closed_with_its_status(run, unless=lambda: held_elsewhere(study, aim)):
        yield run


def tell_mlflow(run: Run, study: Study, aim: Aim) -> None:
    """Tell RUN of the completed trials that it does not know yet, a point each, and of the best.

    A run that is new, since the one before is lost, is told of all.
    """
    memory = study.user_attrs.get("mlflow", {})
    known = memory["told"] if run.id and memory.get("run") == run.id else []
    trials = completed(study)
    for index, trial in enumerate(trials, start=1):
        if trial.number not in known and trial.number + 1 not in run.steps:
            reached = best_of(trials[:index], aim.direction) or trial
            values = {aim.score: value_of(trial), f"best_{aim.score}": value_of(reached)}
            run.log_metrics(values, step=trial.number + 1)
    run.set_tags(this_process())  # of all that share the run, it must belong to one that lives
    best = best_of(trials, aim.direction)
    if best:
        chosen = {f"best.{key}": value for key, value in aim.space.values(best.params).items()}
        run.set_tags({"best": aim.experiment(best.number), **chosen})
    if run.id:
        told = [trial.number for trial in trials]
        study.set_user_attr("mlflow", {"run": run.id, "told": told})


def summary(study: Study, aim: Aim) -> str:
    """What came of it, for people."""
    trials = completed(study)
    best = best_of(trials, aim.direction)
    if best is None:
        return "No trial is completed yet."
    name = aim.experiment(best.number)
    lines = [f"Best of {len(trials)} trials: {name}, {aim.score} {value_of(best):.6g}"]
    lines += [f"  {override}" for override in aim.space.overrides(aim.space.values(best.params))]
    return "\n".join([*lines, f"dvc exp apply {name}", "dvc exp show --only-changed"])


def best_as_json(study: Study, aim: Aim) -> dict[str, Any]:
    """The best trial, for programs; None where none is completed."""
    trials = completed(study)
    best = best_of(trials, aim.direction)
    return {
        "study": aim.name,
        "score": aim.score,
        "trials": len(trials),
        "experiment": aim.experiment(best.number) if best else None,
        "value": value_of(best) if best else None,
        "params": aim.space.values(best.params) if best else None,
    }


if __name__ == "__main__":
    study()
