"""MLflow's store: where it is, and that it says what is true.

The store is the file mlflow.db in the root of the repository, so that a plain `mlflow ui` there
finds it; MLFLOW_TRACKING_URI, when set, wins.
"""

from __future__ import annotations

import json
import logging
import os
import platform
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
from filelock import FileLock

from pokegan.core.provenance import root

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from pokegan.tracking.lockfile import StageRun

EXPERIMENT = "pokegan"
# The UI opens on the pages for training, not on those for language models.
KIND = {"mlflow.experimentKind": "custom_model_development"}
# Where MLflow keeps absolute addresses of artifacts.
ADDRESSES = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "storage_location"),
)


def import_mlflow() -> Any:
    """MLflow, which is slow to import, talkative, and patient with a server that is away."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    # Who tells it something tries again by himself.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    logging.getLogger("alembic").setLevel(logging.WARNING)
    import mlflow

    logging.getLogger("mlflow").setLevel(logging.WARNING)
    # Their faults reach us as exceptions, or end the measuring of the machine alone.
    for name in ("mlflow.store.db.utils", "mlflow.system_metrics"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    return mlflow


@contextmanager
def opened(mlflow: Any) -> Iterator[tuple[MlflowClient, str]]:
    """A client and the experiment's id; one process at a time, since many stages begin at once.

    Store and artifacts are anchored at the root: a stage in one of DVC's temporary workspaces would
    else lose its runs, or leave the experiment with artifacts in a deleted folder.
    """
    home = root()
    lock = home / ".work" / "mlflow.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(lock, timeout=120):
        if "MLFLOW_TRACKING_URI" in os.environ:
            mlflow.set_tracking_uri(os.environ["MLFLOW_TRACKING_URI"])
            artifacts = None
        else:
            artifacts = (home / "mlartifacts").as_uri()
            mlflow.set_tracking_uri(f"sqlite:///{home / 'mlflow.db'}")
            os.environ.pop("MLFLOW_TRACKING_URI", None)  # MLflow sets it, but no user did
            relocate_artifacts(home / "mlflow.db", artifacts)
        if mlflow.get_experiment_by_name(EXPERIMENT) is None:
            with suppress(mlflow.MlflowException):  # another repository's stage was quicker
                mlflow.create_experiment(EXPERIMENT, artifacts, KIND)
        experiment = mlflow.set_experiment(EXPERIMENT).experiment_id
        yield mlflow.MlflowClient(), experiment


def relocate_artifacts(database: Path, artifacts: str) -> None:
    """Let DATABASE find its artifacts at ARTIFACTS (a URI) if the repository has been moved.

    MLflow keeps absolute addresses: old artifacts would be gone, new ones go to the old place.
    """
    if not database.is_file():
        return
    with closing(sqlite3.connect(database, timeout=20)) as connection, connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
        if "experiments" not in tables:
            return
        found = connection.execute(
            "SELECT artifact_location FROM experiments WHERE name = ?", (EXPERIMENT,)
        ).fetchone()
        if found is None or found[0] == artifacts:
            return
        for table, column in ADDRESSES:
            if table in tables:
                connection.execute(
                    f"UPDATE {table} SET {column} = ? || substr({column}, ?) "  # noqa: S608
                    f"WHERE {column} = ? OR substr({column}, 1, ?) = ?",
                    (artifacts, len(found[0]) + 1, found[0], len(found[0]) + 1, f"{found[0]}/"),
                )


def this_process() -> dict[str, str]:
    """What tells whether the process that a run belongs to is still alive."""
    process = psutil.Process()
    return {
        "host": platform.node(),
        "pid": str(process.pid),
        "process_started": str(process.create_time()),
    }


def close_dead_runs(client: MlflowClient, experiment: str) -> None:
    """Close the runs of EXPERIMENT as KILLED whose process, on this machine, is no more."""
    for run in client.search_runs([experiment], "attributes.status = 'RUNNING'"):
        if is_dead(run.data.tags):
            client.set_terminated(run.info.run_id, "KILLED")


def is_dead(tags: dict[str, str]) -> bool:
    """Whether the process of the run with TAGS ran on this machine and is no more."""
    if tags.get("host") != platform.node():
        return False
    try:
        started = psutil.Process(int(tags["pid"])).create_time()
    except (psutil.NoSuchProcess, KeyError, ValueError):
        return True
    # Another process may have got the number.
    return bool(abs(started - float(tags["process_started"])) >= 1)


def is_permanent_error(fault: Exception) -> bool:
    """Whether the same would fail again: what was told is wrong, not the way there."""
    try:
        from mlflow import MlflowException
    except ImportError:
        return True
    if isinstance(fault, MlflowException):
        status = fault.get_http_status_code()  # type: ignore[no-untyped-call]
        # A token that is renewed and a server that is started again answer with these.
        return bool(400 <= status < 500 and status not in (401, 403, 404, 408, 429))
    wrong = isinstance(fault, (TypeError, ValueError, AttributeError, KeyError))
    return wrong and not isinstance(fault, OSError)


def first_line(fault: Exception) -> str:
    """What FAULT says, without what SQLAlchemy puts before and after it."""
    lines = str(fault).strip().splitlines() or [type(fault).__name__]
    return next((line for line in lines if not line.startswith("(raised as")), lines[0])


def log_data_sets(client: MlflowClient, run_id: str, execution: StageRun) -> None:
    """Tell which data sets EXECUTION read, each by the md5 that DVC knows it by."""
    from mlflow.entities import Dataset, DatasetInput

    inputs = [
        DatasetInput(Dataset(Path(path).stem, md5, "local", json.dumps({"uri": path})))
        for path, md5 in execution.data_sets.items()
    ]
    client.log_inputs(run_id, inputs)
