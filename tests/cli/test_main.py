import sys
from importlib import import_module

import pytest
from click.testing import CliRunner

from pokegan.cli import COMMANDS, main
from tests.conftest import ROOT, run, succeed

# Slow to import: they must wait until a command runs.
HEAVY = {"torch", "mlflow", "pandas", "scipy", "numpy", "dvc", "optuna", "PIL"}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_module_and_help(name: str) -> None:
    command = getattr(import_module(f"pokegan.cli.{name}"), name)
    assert command.name == name
    result = succeed(CliRunner().invoke(main, [name, "--help"]))
    assert result.output.startswith(f"Usage: pokegan {name} ")


def test_help_lists_the_commands_with_descriptions() -> None:
    output = CliRunner().invoke(main, ["--help"]).output
    lines = [line.split(maxsplit=1) for line in output.partition("Commands:\n")[2].splitlines()]
    assert [name for name, _ in lines] == sorted(COMMANDS)
    assert all(description.endswith(".") for _, description in lines)
    assert not any(description.endswith("...") for _, description in lines)


def test_a_misspelled_command_suggests_the_nearest() -> None:
    result = CliRunner().invoke(main, ["smaple"])
    assert result.exit_code == 2
    assert "'smaple'" in result.output
    assert "'sample'" in result.output


def test_help_and_usage_errors_import_nothing_heavy() -> None:
    code = f"""
import sys
from click.testing import CliRunner
from pokegan.cli import COMMANDS, main
for arguments in (["--help"], *([name, "--help"] for name in COMMANDS), ["sample", "m", "o", "--count", "0"]):
    CliRunner().invoke(main, arguments)
print(sorted({HEAVY!r} & set(sys.modules)))
"""
    assert run(sys.executable, "-c", code, cwd=ROOT).stdout == "[]\n"
