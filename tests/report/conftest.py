"""A page of two networks, rendered once, and a workspace for tests that change its inputs."""

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from tests.report.fixtures import flat_images, render, save_all


@pytest.fixture(scope="session")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a rendered page; tests do not change it."""
    root = tmp_path_factory.mktemp("rendered")
    save_all(root, flat_images())
    result = render(root)
    assert result.exit_code == 0, result.output
    return root


@pytest.fixture
def root(tmp_path: Path) -> Path:
    save_all(tmp_path, flat_images())
    return tmp_path


@pytest.fixture
def call(root: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Result]:
    """Render the page in the workspace, without the charts' script."""
    monkeypatch.setattr("pokegan.report.page.script", lambda: "")
    return lambda: render(root)
