"""Compare the experiments in MLflow's UI."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
import webbrowser
from contextlib import suppress

import click

from pokegan.cli.common import HOST, check_port, is_open
from pokegan.cli.sync import sync
from pokegan.core.params import read_networks, read_params

TABLE = "The table of experiments"
VIEW = "pokegan"  # key of the view of the runs table, which MLflow stores as a tag


@click.command()
@click.pass_context
@click.option(
    "--port", type=click.IntRange(1, 65535), default=5000, envvar="MLFLOW_PORT", show_envvar=True,
    help="Port of MLflow's UI on this machine.",
)  # fmt: skip
def ui(ctx: click.Context, port: int) -> None:
    """Compare the experiments in MLflow's UI.

    Completes the runs like `pokegan sync`, prints the address of the runs table, with columns for
    the learning rate and the scores, and starts `mlflow ui`. If MLFLOW_TRACKING_URI is the address
    of a server, the table is on that server.
    """
    from pokegan.tracking.store import connect

    ctx.invoke(sync)
    client, experiment = connect()
    client.set_experiment_tag(experiment, f"mlflow.sharedViewState.{VIEW}", json.dumps(view()))
    uri = str(client.tracking_uri)
    page = f"#/experiments/{experiment}/runs?workflowType=machine_learning&viewStateShareKey={VIEW}"
    if uri.startswith("http"):
        click.echo(f"{TABLE}: {uri.rstrip('/')}/{page}")
        return
    check_port(port)
    address = f"http://{HOST}:{port}/{page}"
    click.echo(f"{TABLE}: {address}")
    # Without a display, Python would open a browser in the terminal.
    if {"DISPLAY", "WAYLAND_DISPLAY"} & os.environ.keys() or sys.platform in ("darwin", "win32"):
        threading.Thread(target=browse, args=(address, port), daemon=True).start()
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


def browse(address: str, port: int) -> None:
    """Open an address in a browser as soon as the port is open."""
    while not is_open(port):
        time.sleep(0.5)
    webbrowser.open(address)
