"""Compare the experiments in MLflow's UI."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
import webbrowser
from contextlib import suppress

import click

from pokegan.core.errors import PipelineError
from pokegan.core.params import read_networks, read_params

HOST = "127.0.0.1"
VIEW = "pokegan"  # key of the view of the runs table, which MLflow stores as a tag


@click.command()
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    default=5000,
    show_default=True,
    envvar="MLFLOW_PORT",
    show_envvar=True,
    help="Port of MLflow's UI on this machine.",
)
def ui(port: int) -> None:
    """Compare the experiments in MLflow's UI.

    Completes the runs like `pokegan sync`, prints the address of the runs table, with columns for
    the learning rate and the scores, and starts `mlflow ui`. If MLFLOW_TRACKING_URI is the address
    of a server, the table is on that server.
    """
    from pokegan.cli.sync import synchronize
    from pokegan.tracking.store import connect

    synchronize()
    client, experiment = connect()
    client.set_experiment_tag(experiment, f"mlflow.sharedViewState.{VIEW}", json.dumps(view()))
    uri = str(client.tracking_uri)
    page = f"#/experiments/{experiment}/runs?workflowType=machine_learning&viewStateShareKey={VIEW}"
    if uri.startswith("http"):
        show(f"{uri.rstrip('/')}/{page}")
        return
    if is_open(port):
        raise PipelineError(f"Port {port} is in use; pass another one with --port.")
    show(f"http://{HOST}:{port}/{page}", wait_for=port)
    command = ("-m", "mlflow", "ui", "--backend-store-uri", uri, "--port", str(port))
    # The jobs of MLflow's UI need a process of their own, which doubles the time to start.
    env = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with suppress(KeyboardInterrupt):
        subprocess.run([sys.executable, *command], env=env)


def view() -> dict[str, object]:
    """Return the columns and the order of the runs table, in the form that MLflow stores."""
    from pokegan.metrics.names import metric_name

    networks, encoders = read_networks(), read_params("evaluate.encoders").evaluate.encoders
    distances = [f"{name}.{metric_name('fd', each)}" for each in encoders for name in networks]
    params = ["lr", *(f"{name}.batch_size" for name in networks)]
    columns = [f"attributes.`{name}`" for name in ("Created", "Duration")]
    columns += [f"metrics.`{name}`" for name in (*distances, "train_seconds")]
    columns += [f"params.`{name}`" for name in params]
    # MLflow nests runs in the order of their creation only.
    order = {"orderByKey": "attributes.start_time", "orderByAsc": False}
    return {"selectedColumns": columns, **order}


def show(address: str, wait_for: int | None = None) -> None:
    """Print an address and, with a display, open it in a browser as soon as the port is open."""
    click.echo(f"The table of experiments: {address}")
    has_window = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if not has_window and sys.platform not in ("darwin", "win32"):
        return

    def browse() -> None:
        while wait_for and not is_open(wait_for):
            time.sleep(0.5)
        webbrowser.open(address)

    thread = threading.Thread(target=browse, daemon=True)
    thread.start()
    if not wait_for:
        thread.join()


def is_open(port: int) -> bool:
    """Return whether a server listens on a port of this machine."""
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0
