"""The MLflow store: where it is, how to connect, and which runs are still alive.

The store is mlflow.db in the root of the repository, where a plain `mlflow ui` finds it, unless
MLFLOW_TRACKING_URI is set. A local address in it is relative to that root.
"""

from __future__ import annotations

import logging
import os
import platform
import sqlite3
import time
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote, urlsplit

import psutil
from filelock import FileLock

from pokegan.core.errors import PipelineError
from pokegan.core.provenance import root

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Run

EXPERIMENT = "pokegan"
DEFAULT_URI = "sqlite:///mlflow.db"
# The UI opens on the pages for training, not on those for language models.
EXPERIMENT_TAGS = {"mlflow.experimentKind": "custom_model_development"}
TIMEOUT = 5  # seconds for a request to a tracking server
LOCK_TIMEOUT = 30  # seconds; another process creates the database in less
# HTTP status codes of clients' errors that may disappear: a renewed token, a restarted server.
TRANSIENT = (401, 403, 404, 408, 429)
MAX_ITEMS, MAX_METRICS = 100, 1000  # tags or parameters, and metrics, in one request
# Columns that hold absolute artifact URIs.
URI_COLUMNS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "storage_location"),
)


def import_mlflow() -> Any:
    """Import MLflow with short time-outs, no retries and little output."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", str(TIMEOUT))
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    logging.getLogger("alembic").setLevel(logging.WARNING)
    import mlflow

    logging.getLogger("mlflow").setLevel(logging.WARNING)
    # Their errors arrive as exceptions, or end the system metrics only.
    for name in ("mlflow.store.db.utils", "mlflow.system_metrics"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    return mlflow


class Store(NamedTuple):
    """MLflow's client and the id of the experiment."""

    client: MlflowClient
    experiment: str

    def find(self, tag: str, value: str, deleted: bool = False) -> list[Run]:
        """Return the runs with a tag, the newest first; or those that a user has deleted."""
        from mlflow.entities import ViewType

        kind = ViewType.DELETED_ONLY if deleted else ViewType.ACTIVE_ONLY
        return list(self.client.search_runs([self.experiment], f"tags.`{tag}` = '{value}'", kind))

    def create_run(self, name: str, tags: Mapping[str, str], started: int | None = None) -> Run:
        """Create a run of this process; the time is in milliseconds."""
        tags = {**this_process(), **tags}
        return self.client.create_run(self.experiment, started, tags, name)

    def log(
        self,
        run_id: str,
        tags: Mapping[str, Any] | None = None,
        params: Mapping[str, Any] | None = None,
        metrics: Sequence[Metric] = (),
    ) -> None:
        """Log tags, parameters and metrics in as few requests as MLflow's limits allow."""
        from mlflow.entities import Param, RunTag

        few = [RunTag(key, str(value)) for key, value in (tags or {}).items()]
        many = [Param(key, str(value)) for key, value in (params or {}).items()]
        for start in range(0, max(len(few), len(many)), MAX_ITEMS):
            part = slice(start, start + MAX_ITEMS)
            self.client.log_batch(run_id, tags=few[part], params=many[part])
        for start in range(0, len(metrics), MAX_METRICS):
            self.client.log_batch(run_id, metrics=metrics[start : start + MAX_METRICS])

    def log_params(self, run: Run, params: Mapping[str, Any]) -> None:
        """Log the parameters of a run, unless it has them."""
        if len(run.data.params) < len(params):
            self.log(run.info.run_id, params=params)

    def log_values(self, run_id: str, values: Mapping[str, float], step: int = 0) -> None:
        """Log the values of metrics at a step."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        self.log(run_id, metrics=[Metric(key, value, now, step) for key, value in values.items()])

    def close_dead_runs(self) -> None:
        """Set the status of runs whose process has died to KILLED."""
        for run in self.client.search_runs([self.experiment], "attributes.status = 'RUNNING'"):
            if not is_running(run):
                self.client.set_terminated(run.info.run_id, "KILLED")


def connect() -> Store:
    """Connect to the store, which is created if it is missing.

    A local store and its artifacts are anchored at the root of the repository: a stage in one of
    DVC's temporary workspaces would otherwise lose its run, or its artifacts. A lock prevents that
    two processes create the database at once.
    """
    mlflow = import_mlflow()
    home = root()
    lock = home / ".work" / "mlflow.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(lock, timeout=LOCK_TIMEOUT):
        named = os.environ.get("MLFLOW_TRACKING_URI")
        uri, database_file = anchor(named or DEFAULT_URI, home)
        artifacts = (database_file.parent / "mlartifacts").as_uri() if database_file else None
        mlflow.set_tracking_uri(uri)
        if not named:
            os.environ.pop("MLFLOW_TRACKING_URI", None)  # set by MLflow, not by the user
        if not uri.startswith("http"):
            import mlflow.store.db.utils as database

            database.MAX_RETRY_COUNT = 1  # MLflow would retry an unreachable database for minutes
        client = mlflow.MlflowClient()
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or EXPERIMENT
        if client.get_experiment_by_name(name) is None:
            with suppress(mlflow.MlflowException):  # created by another repository in the meantime
                client.create_experiment(name, artifacts, EXPERIMENT_TAGS)
        experiment = mlflow.set_experiment(name)
        # A database elsewhere has not been moved with the repository.
        if artifacts and database_file and database_file.is_relative_to(home):
            former = experiment.artifact_location
            if former != artifacts and former.startswith("file:"):
                relocate_artifacts(database_file, former, artifacts)
        remove_decoy(uri, database_file)
        return Store(client, experiment.experiment_id)


def anchor(uri: str, home: Path) -> tuple[str, Path | None]:
    """Return a tracking URI whose local path is absolute, and the file of a SQLite database.

    Relative paths start at `home`. Addresses of servers are returned unchanged.
    """
    scheme, _, path = uri.partition(":")
    if scheme == "sqlite":
        from sqlalchemy import make_url

        url = make_url(uri)
        if not url.database or url.query:  # in memory, or with options of SQLite
            return uri, None
        file = home / url.database
        # SQLAlchemy decodes the path, and reads what follows a question mark as options.
        quoted = str(file).replace("%", "%25").replace("?", "%3F")
        return f"sqlite:///{quoted}", file
    if scheme == "file" or not path:
        return (home / unquote(urlsplit(uri).path)).as_uri(), None
    return uri, None


def remove_decoy(uri: str, file: Path | None) -> None:
    """Remove the empty folder that MLflow creates for a quoted path, which it does not decode."""
    folder = Path(uri.removeprefix("sqlite:///")).parent
    if file and folder != file.parent:
        with suppress(OSError):
            folder.rmdir()


def relocate_artifacts(database: Path, former: str, artifacts: str) -> None:
    """Replace the address of the artifacts in the database: the repository has been moved.

    MLflow stores absolute URIs: artifacts of earlier runs would be missing, and new ones would be
    written to the former folder.
    """
    with closing(sqlite3.connect(database, timeout=TIMEOUT)) as connection, connection:
        for table, column in URI_COLUMNS:
            statement = f"UPDATE {table} SET {column} = replace({column}, ?, ?)"  # noqa: S608
            connection.execute(statement, (former, artifacts))


def this_process() -> dict[str, str]:
    """Return tags that identify this process, so that others can check if it is alive."""
    process = psutil.Process()
    return {
        "host": platform.node(),
        "pid": str(process.pid),
        "process_started": str(process.create_time()),
    }


def is_running(run: Run) -> bool:
    """Return whether a run is open, and its process alive or on another machine."""
    tags = run.data.tags
    if run.info.status != "RUNNING":
        return False
    if tags.get("host") != platform.node():
        return True
    try:
        started = psutil.Process(int(tags["pid"])).create_time()
    except psutil.NoSuchProcess:
        return False
    # The number may belong to another process by now.
    return bool(abs(started - float(tags["process_started"])) < 1)


def is_permanent_error(error: Exception) -> bool:
    """Return whether the same call would fail again: its content or the disk is at fault."""
    from mlflow import MlflowException
    from requests import RequestException

    if isinstance(error, MlflowException):
        status = error.get_http_status_code()  # type: ignore[no-untyped-call]
        return bool(400 <= status < 500 and status not in TRANSIENT)
    if isinstance(error, OSError):
        network = (RequestException, ConnectionError, TimeoutError)
        return error.errno is not None and not isinstance(error, network)
    wrong = (PipelineError, TypeError, ValueError, AttributeError, LookupError)
    return isinstance(error, wrong)


def first_line(error: Exception) -> str:
    """Return the message of an error without what SQLAlchemy adds to it."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return next((line for line in lines if not line.startswith("(raised as")), lines[0])
