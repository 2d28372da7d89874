import shutil
from pathlib import Path

import pytest


@pytest.fixture
def workspace(workspace: Path, empty_store: Path) -> Path:
    """The workspace with a store that holds no run."""
    shutil.copy(empty_store, workspace)
    return workspace
