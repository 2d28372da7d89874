"""Fixtures of the tests of the command `pokegan`."""

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pokegan.cli import main

Pokegan = Callable[..., Result]


@pytest.fixture
def pokegan(workspace: Path) -> Pokegan:
    """Call the command in the workspace: ``pokegan("sample", …)`` returns click's result."""
    return lambda *arguments: CliRunner().invoke(main, [str(each) for each in arguments])
