"""Measure what DVC and MLflow add to the work itself."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click

NETWORK = "dcgan819"
UNTRACKED = "from pokegan.core.params import read_params\nparams = read_params('seed')\n"
TRACKED = (
    f"{UNTRACKED}from pokegan.tracking.run import track_run\nwith track_run('label', params): pass"
)
# One epoch of a training: ten metrics and a grid of samples.
EPOCHS = """
import time
import numpy as np
from pokegan.core.params import read_params
from pokegan.tracking.run import track_run
grid = np.random.default_rng(1).integers(0, 255, (530, 530, 3), dtype=np.uint8)
with track_run("a_training", read_params("seed")) as run:
    began = time.perf_counter()
    for step in range(1, 101):
        run.log_image("samples", grid, step=step)
        run.log_metrics({f"metric_{number}": 1.0 for number in range(10)}, step=step)
    print((time.perf_counter() - began) / 100)
"""


@click.command()
@click.option("--rounds", type=click.IntRange(min=1), default=5, show_default=True)
def glue(rounds: int) -> None:
    """Time a `dvc repro` without changes, the tracking of a stage, and --help.

    Run it after the whole pipeline.
    """
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    environment.pop("MLFLOW_TRACKING_URI", None)

    def seconds(*command: str, **more: str) -> float:
        """Return the median of the rounds, after one that does not count."""
        times = []
        for _ in range(rounds + 1):
            began = time.perf_counter()
            env = {**environment, **more}
            subprocess.run(command, env=env, check=True, capture_output=True)
            times.append(time.perf_counter() - began)
        return statistics.median(times[1:])

    rows = {"`dvc repro` without changes": f"{seconds('dvc', 'repro'):.2f} s"}
    rows["`pokegan --help`"] = f"{seconds('pokegan', '--help'):.2f} s"
    with tempfile.TemporaryDirectory() as store:
        untracked = seconds(sys.executable, "-c", UNTRACKED)
        tracking = seconds(sys.executable, "-c", TRACKED, DVC_ROOT=store) - untracked
        rows["tracking of a stage, from its import to the closed run"] = f"{tracking:.2f} s"
        done = subprocess.run(
            [sys.executable, "-c", EPOCHS],
            env={**environment, "DVC_ROOT": store},
            check=True,
            capture_output=True,
            text=True,
        )
    epoch = float(done.stdout)
    record = Path(f"reports/networks/{NETWORK}/run.json")
    training = json.loads(record.read_text(encoding="utf-8"))
    share = (tracking + training["epochs"] * epoch) / training["seconds"]
    rows["logging of an epoch"] = f"{1000 * epoch:.0f} ms"
    rows[f"all tracking ÷ the committed training of {NETWORK}"] = f"{100 * share:.2f} %"
    click.echo("| measure | |\n| --- | ---: |")
    for name, value in rows.items():
        click.echo(f"| {name} | {value} |")


if __name__ == "__main__":
    glue()
