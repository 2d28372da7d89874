from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from pokegan.tracking.store import connect


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with the experiment and no run; to create one takes seconds."""
    home = tmp_path_factory.mktemp("store")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DVC_ROOT", str(home))
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        connect()
    os.environ.pop("MLFLOW_TRACKING_URI", None)
    return home / "mlflow.db"


@pytest.fixture
def workspace(workspace: Path, empty_store: Path) -> Path:
    """The workspace with that store."""
    shutil.copy(empty_store, workspace)
    return workspace
