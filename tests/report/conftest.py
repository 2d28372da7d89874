"""A page of two networks, rendered once, and a workspace for tests that change its inputs."""

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from tests.conftest import succeed
from tests.report.fixtures import flat_images, page, render, save_all


@pytest.fixture(scope="session")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a rendered page; tests do not change it."""
    root = tmp_path_factory.mktemp("rendered")
    save_all(root, flat_images())
    succeed(render(root))
    return root


@pytest.fixture
def root(tmp_path: Path) -> Path:
    save_all(tmp_path, flat_images())
    return tmp_path


@pytest.fixture
def call(root: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Result]:
    """Render the page in the workspace, without the charts' script."""
    monkeypatch.setattr("vl_convert.javascript_bundle", lambda: "")
    return lambda: render(root)


@pytest.fixture
def text(root: Path, call: Callable[[], Result]) -> Callable[[], str]:
    """Render the page and return its text."""

    def call_and_read() -> str:
        succeed(call())
        return page(root)

    return call_and_read
