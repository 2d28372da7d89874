"""What DVC and MLflow cost beside the work itself: prints a table."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click

TRAINING = Path("reports/dcgan819/run.json")
# A stage that does nothing, with MLflow and without.
EMPTY = "from pokegan.core.params import read_params\nparams = read_params('seed')\n"
TRACKED = (
    f"{EMPTY}from pokegan.tracking.run import track_run\nwith track_run('nothing', params): pass"
)
# What a training tells in an epoch: ten measures, and a grid of its samples.
TELLING = """
import time
import numpy as np
from pokegan.core.params import read_params
from pokegan.tracking.run import track_run
grid = np.random.default_rng(1).integers(0, 255, (530, 530, 3), dtype=np.uint8)
with track_run("a_training", read_params("seed")) as run:
    began = time.perf_counter()
    for step in range(1, 101):
        run.log_image("samples", grid, step=step)
        run.log_metrics({f"measure_{number}": 1.0 for number in range(10)}, step=step)
    told = time.perf_counter()
print((told - began) / 100, (time.perf_counter() - began) / 100)
"""


@click.command()
@click.option("--rounds", type=click.IntRange(min=1), default=5, show_default=True)
def glue(rounds: int) -> None:
    """Time a `dvc repro` that has nothing to do, a stage's tracking, and --help.

    Run it where the whole pipeline has run.
    """
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    environment.pop("MLFLOW_TRACKING_URI", None)

    def seconds(*command: str, cwd: Path | None = None) -> float:
        """The median of ROUNDS, after one that does not count."""
        times = []
        for _ in range(rounds + 1):
            began = time.perf_counter()
            subprocess.run(command, cwd=cwd, env=environment, check=True, capture_output=True)
            times.append(time.perf_counter() - began)
        return statistics.median(times[1:])

    rows = {"`dvc repro` with nothing to do": f"{seconds('dvc', 'repro'):.2f} s"}
    helps = {
        script.stem: seconds(sys.executable, "-m", f"stages.{script.stem}", "--help")
        for script in sorted(Path("stages").glob("*.py"))
        if "@click.command()" in script.read_text(encoding="utf-8")
    }
    slowest = max(helps, key=lambda name: helps[name])
    rows[f"`--help` of the slowest of {len(helps)} commands ({slowest})"] = (
        f"{helps[slowest]:.2f} s"
    )
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "params.yaml").write_bytes(Path("params.yaml").read_bytes())
        bare = seconds(sys.executable, "-c", EMPTY, cwd=folder)
        track_run = seconds(sys.executable, "-c", TRACKED, cwd=folder)
        rows["a stage's tracking, from its import to the closed run"] = f"{track_run - bare:.2f} s"
        told = subprocess.run(
            [sys.executable, "-c", TELLING],
            cwd=folder, env=environment, check=True, capture_output=True, text=True,
        )  # fmt: skip
    waits, works = map(float, told.stdout.split())
    training = json.loads(TRAINING.read_text(encoding="utf-8"))
    share = (track_run - bare + training["epochs"] * works) / training["seconds"]
    rows["what an epoch's telling keeps the training waiting"] = f"{1000 * waits:.2f} ms"
    rows["… and costs the thread that tells"] = f"{1000 * works:.0f} ms"
    rows["all tracking ÷ the committed training of dcgan819"] = f"{100 * share:.2f} %"
    click.echo("| measure | |\n| --- | ---: |")
    for name, value in rows.items():
        click.echo(f"| {name} | {value} |")


if __name__ == "__main__":
    glue()
