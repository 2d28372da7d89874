"""Run DVC experiments and read their results, for studies and ablations."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

import click
import psutil

from pokegan.core.errors import PipelineError
from pokegan.core.experiments import experiment_command
from pokegan.core.params import read_networks, read_params
from pokegan.core.provenance import git


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
    run(*words)


def run(*command: str) -> None:
    """Run a command, copy its output to standard error, and raise its first error if it fails.

    When this process is interrupted, so is the command; the exception is raised after its end.
    """
    errors: list[str] = []
    with start(*command) as process:
        assert process.stdout
        try:
            for line in process.stdout:
                click.echo(line.rstrip(), err=True)
                if re.match("error: ", line, re.IGNORECASE):
                    errors.append(line[len("error: ") :].strip())
        except (KeyboardInterrupt, SystemExit):
            started = psutil.Process(process.pid)
            for each in [*started.children(recursive=True), started]:
                with suppress(psutil.NoSuchProcess):
                    each.send_signal(signal.SIGINT)
            process.communicate()
            raise
    if process.returncode:
        reason = errors[0] if errors else f"exit code {process.returncode}"
        raise PipelineError(f"{' '.join(command[:3])} failed: {reason}")


def start(*command: str) -> subprocess.Popen[str]:
    """Start a command that ignores SIGTERM.

    SIGTERM would end DVC with the changed params.yaml of an experiment in the workspace; after
    SIGINT, it restores the workspace.
    """
    # An experiment is no part of the stage or experiment that this process may run in.
    environment = {key: value for key, value in os.environ.items() if not key.startswith("DVC_")}
    handler = signal.signal(signal.SIGTERM, signal.SIG_IGN)  # inherited by the command
    try:
        return subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
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
