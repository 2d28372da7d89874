"""Which of DVC's experiments an execution belongs to, by what git keeps of them."""

from __future__ import annotations

import os
import re
import subprocess

from pokegan.core.provenance import root
from pokegan.tracking.lockfile import StageRun

# refs/exps/<first two digits of the baseline>/<the others>/<name>
EXPERIMENT = re.compile(r"refs/exps/([0-9a-f]{2})/([0-9a-f]{38})/([^:]+)")


def experiment_of(execution: StageRun) -> str | None:
    """The name of the oldest experiment that came to EXECUTION; None if a commit holds it.

    An experiment that is under way, and not in git yet, is told by its environment.
    """
    if not execution.outputs:
        return None
    under_way = os.environ.get("DVC_EXP_NAME")
    mark = next(iter(execution.outputs.values())) or ""
    refs = _git("for-each-ref", "--sort=committerdate", "--format=%(refname)", "refs/exps")
    names = {ref: found for ref in refs.split() if (found := EXPERIMENT.fullmatch(ref))}
    baselines = {ref: found[1] + found[2] for ref, found in names.items()}
    now = os.environ.get("DVC_EXP_BASELINE_REV", "HEAD")
    told = _git("grep", "-lF", mark, *names, *baselines.values(), now, "--", "dvc.lock")
    holding = {line.removesuffix(":dvc.lock") for line in told.split()}
    for ref, found in names.items():
        if ref in holding and baselines[ref] not in holding:
            return found[3]
    return None if now in holding else under_way


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(root()), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout
