"""Run DVC experiments and read their results, for studies and ablations."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

import click

from pokegan.core.errors import PipelineError
from pokegan.core.experiments import experiment_command
from pokegan.core.params import read_networks, read_params
from pokegan.core.provenance import git

PREPARED = "Running stage"  # what DVC prints when it has prepared an experiment


def check(
    file: Path, networks: Iterable[str], encoder: str, overrides: Mapping[str, object]
) -> None:
    """Raise a PipelineError unless experiments with these networks and parameters can be run."""
    known, params = read_networks(), read_params("evaluate")
    for network in networks:
        if network not in known:
            raise PipelineError(
                f"{file}: network is {network!r}, but it must be one of {', '.join(known)}."
            )
    encoders = overrides.get("evaluate.encoders", params.evaluate.encoders)
    if encoder not in (encoders if isinstance(encoders, list) else [encoders]):
        raise PipelineError(
            f"{file}: encoder {encoder} is not in evaluate.encoders; add it to "
            "params.yaml or to overrides."
        )
    keys = read_params(*type(read_params()).model_fields).flat()
    for key in overrides:
        if not any(f"{each}.".startswith(f"{key}.") for each in keys):
            raise PipelineError(f"{file}: {key} is not a parameter in params.yaml; correct it.")
    if not all(git("config", f"user.{key}", check=False) for key in ("name", "email")):
        raise PipelineError(
            "DVC experiments need an author: set git config user.name and user.email."
        )


def run_experiment(name: str, values: Mapping[str, object], stage: str) -> None:
    """Run an experiment, which replaces one of the same name."""
    if revision(name):
        run("dvc", "exp", "remove", name)  # --force would run all stages again
    words = experiment_command(name, values, stage)
    click.echo(shlex.join(words), err=True)
    run(*words, prepared=PREPARED)


def run(*command: str, prepared: str = "") -> None:
    """Run a command, copy its output to standard error, and raise its first error if it fails.

    When this process is interrupted, the exception is raised after the end of the command. With
    `prepared`, the command is interrupted, too, after it has printed a line that begins with it;
    a second interruption does not wait for that line.
    """
    errors: list[str] = []
    is_prepared = False
    with start(*command, own_group=bool(prepared)) as process:
        assert process.stdout
        try:
            for line in process.stdout:
                click.echo(line.rstrip(), err=True)
                is_prepared = is_prepared or line.startswith(prepared)
                if re.match("error: ", line, re.IGNORECASE):
                    errors.append(line[len("error: ") :].strip())
        except (KeyboardInterrupt, SystemExit):
            try:
                while not is_prepared and (line := process.stdout.readline()):
                    is_prepared = line.startswith(prepared)
            finally:
                if prepared:
                    os.killpg(process.pid, signal.SIGINT)
                process.communicate()
            raise
    if process.returncode:
        reason = errors[0] if errors else f"exit code {process.returncode}"
        raise PipelineError(f"{' '.join(command[:3])} failed: {reason}")


def start(*command: str, own_group: bool) -> subprocess.Popen[str]:
    """Start a command that ignores SIGTERM, and in its own process group the terminal's Ctrl-C.

    While DVC prepares an experiment, it changes the workspace. It restores it after one SIGINT, but
    neither after SIGTERM nor after a second SIGINT.
    """
    # An experiment is no part of the stage or experiment that this process may run in.
    environment = {key: value for key, value in os.environ.items() if not key.startswith("DVC_")}
    environment["PYTHONUNBUFFERED"] = "1"  # lines arrive when they are printed
    handler = signal.signal(signal.SIGTERM, signal.SIG_IGN)  # inherited by the command
    try:
        return subprocess.Popen(
            command,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            process_group=0 if own_group else None,
        )
    finally:
        signal.signal(signal.SIGTERM, handler)


def revision(experiment: str) -> str:
    """Return the commit of an experiment; "" if it does not exist."""
    return git("for-each-ref", "--format=%(objectname)", f"refs/exps/*/*/{experiment}")


def committed(experiment: str, path: str) -> str:
    """Return the content of a file that an experiment committed to git.

    Raises a PipelineError if there is none: the experiment is of a former version of the pipeline.
    """
    try:
        return git("show", f"{revision(experiment)}:{path}")
    except subprocess.CalledProcessError as error:
        raise PipelineError(
            f"The experiment {experiment} has no {path}; run `dvc exp remove {experiment}` and "
            "start again."
        ) from error
