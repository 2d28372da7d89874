"""Command lines of DVC experiments."""

import json
from collections.abc import Mapping

Value = str | bool | int | float | None


def experiment_command(name: str, values: Mapping[str, object], stage: str) -> list[str]:
    """Return the command that runs a stage as an experiment with changed parameters."""
    changes = [f"{key}={json.dumps(value).strip(chr(34))}" for key, value in values.items()]
    options = [word for change in changes for word in ("-S", change)]
    return ["dvc", "exp", "run", "--temp", "--name", name, *options, stage]


def evaluation(network: str) -> str:
    """Return the stage that scores a network."""
    return f"evaluate@{network}"
