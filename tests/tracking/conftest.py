import shutil
from pathlib import Path

import pytest

from tests.tracking.toy import make_store


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_store(tmp_path_factory.mktemp("store"))


@pytest.fixture
def workspace(workspace: Path, empty_store: Path) -> Path:
    """The workspace with a store that holds no run."""
    shutil.copy(empty_store, workspace)
    return workspace
