"""A pipeline of five small stages, which track their runs and leave the files of the real ones."""

import json
import re
import shutil
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

STEPS = list(range(1, 9))
NETWORK, ENCODER = "tiny", "effnet_lite0"
TRAIN, INSPECT = f"train@{NETWORK}", f"inspect@{NETWORK}"
EVALUATE = f"evaluate@{NETWORK}"
STAGES = ["download", TRAIN, EVALUATE, INSPECT, "report"]
DVC_YAML = """
stages:
  download:
    cmd: python -m tests.tracking.toy download
    deps: [code]
    params: [seed]
    outs: [data/set.txt]
  train:
    foreach: [tiny]
    do:
      cmd: python -m tests.tracking.toy train@${item}
      deps: [code, data/set.txt]
      params: [seed, lr, tiny]
      outs: ["models/${item}", "reports/networks/${item}/samples.npz"]
      plots:
        - reports/networks/${item}/history.csv: {cache: false}
        - reports/networks/${item}/run.json: {cache: false}
  evaluate:
    foreach: [tiny]
    do:
      cmd: python -m tests.tracking.toy evaluate@${item}
      deps: [code, data/set.txt, "models/${item}"]
      params: [seed]
      metrics: [{"reports/networks/${item}/scores.json": {cache: false}}]
      plots: [{"reports/networks/${item}/scores.csv": {cache: false}}]
  inspect:
    foreach: [tiny]
    do:
      cmd: python -m tests.tracking.toy inspect@${item}
      deps: [code, "models/${item}"]
      params: [seed]
      outs: ["reports/networks/${item}/inspection.npz"]
      plots: [{"reports/networks/${item}/inspection.json": {cache: false}}]
  report:
    cmd: python -m tests.tracking.toy report
    deps: [code, reports/networks]
    outs: [reports/page.html]
"""
PARAMS = "seed: 1\nlr: 1.0e-05\ntiny: {epochs: 8.0, ema: null, layers: [1, 2]}\n"


def make_toy(folder: Path) -> Path:
    """Make the repository: git, DVC, a model that "training" yields; nothing has run."""
    from tests.conftest import commit, run
    from tests.models import save_model

    (folder / "code").mkdir(parents=True)
    for name, text in {
        "code/module.py": "",
        "dvc.yaml": DVC_YAML,
        "params.yaml": PARAMS,
        ".gitignore": ".work\nmlflow.db\nmlartifacts\ngo*\n__pycache__\n",
        ".dvcignore": "__pycache__\n",
    }.items():
        (folder / name).write_text(text)
    save_model(folder / "generator")
    run("git", "init", "-q", "-b", "main", cwd=folder)
    run("git", "config", "user.name", "t", cwd=folder)
    run("git", "config", "user.email", "t@example.org", cwd=folder)
    run("dvc", "init", "-q", cwd=folder)
    commit(folder, "start")
    return folder


def history() -> str:
    rows = [f"{step},{step},{1 / step:.6g},{step / 100}" for step in STEPS]
    return "\n".join(["epoch,step,generator_loss,seconds", *rows]) + "\n"


def train(run: Any, reports: Path) -> None:
    """Eight steps, each with points and an image; before a step N it waits for a file waitN to go."""
    import numpy as np

    from pokegan.core.grids import grid

    samples = np.stack([np.full((8, 4, 4, 3), 30 * step, np.uint8) for step in STEPS])
    run.set_tags({"device": "cpu"})
    print("started", flush=True)
    for step, images in zip(STEPS, samples, strict=True):
        while Path(f"wait{step}").exists():
            time.sleep(0.05)
        run.log_image("samples", grid(images, 8), step=step)
        row = {"epoch": step, "step": step, "generator_loss": 1 / step, "seconds": step / 100}
        run.log_metrics(row, step=step)
        print(step, flush=True)
    (reports / "history.csv").write_text(history())
    ended = {"date": "2026-01-02T03:04:05+00:00", "seconds": 90.0, "params": {"lr": 1e-05}}
    (reports / "run.json").write_text(json.dumps({"device": "cpu", **ended}))
    np.savez(reports / "samples.npz", epochs=np.array(STEPS, float), pictures=samples)
    shutil.copytree("generator", f"models/{NETWORK}", dirs_exist_ok=True)


def evaluate(run: Any, reports: Path) -> None:
    facts = {"pictures": 8, f"reference_{ENCODER}": "0123456789abcdef"}
    scores = {**facts, f"fd_{ENCODER}": 2.5, f"fd_{ENCODER}_spread": 0.5}
    for step, distance in ((4, 5.0), (8, 2.5)):
        run.log_metrics({f"fd_{ENCODER}": distance}, step=step)
    run.log_metrics({f"fd_{ENCODER}_spread": 0.5})
    run.set_tags(facts)
    run.log_model(NETWORK, Path(f"models/{NETWORK}"), scores)
    (reports / "scores.csv").write_text(f"epoch,step,fd_{ENCODER}\n4,4,5.0\n8,8,2.5\n")
    (reports / "scores.json").write_text(json.dumps(scores))


def inspect(run: Any, reports: Path) -> None:
    run.log_metrics({"copies.distance": 0.25})
    run.set_tags({"network": NETWORK, "copies.count": 3})
    results = {"network": NETWORK, "copies": {"distance": 0.25, "count": 3}}
    (reports / "inspection.json").write_text(json.dumps(results))
    (reports / "inspection.npz").write_bytes(b"arrays")


def main(stage: str) -> None:
    from pokegan.core.params import flatten, load_yaml
    from pokegan.tracking.run import track_run

    params = SimpleNamespace(flat=lambda: dict(flatten(load_yaml(Path("params.yaml")))))
    reports = Path(f"reports/networks/{NETWORK}")
    reports.mkdir(parents=True, exist_ok=True)
    with track_run(stage, params) as run:
        match stage.partition("@")[0]:
            case "download":
                Path("data").mkdir(exist_ok=True)
                Path("data/set.txt").write_text(f"images by seed {params.flat()['seed']}")
            case "train":
                train(run, reports)
            case "evaluate":
                evaluate(run, reports)
            case "inspect":
                inspect(run, reports)
            case "report":
                Path("reports/page.html").write_text("a page")


def runs(uri: str, stage: str | None = None) -> list[Any]:
    """Return the runs of all stages in a store, or those of one stage."""
    found = [run for run in all_runs(uri) if "dvc.stage" in run.data.tags]
    return [run for run in found if stage in (None, run.data.tags["dvc.stage"])]


def parents(uri: str) -> list[Any]:
    """Return the parents in a store, the oldest first."""
    return [run for run in reversed(all_runs(uri)) if "dvc.content" in run.data.tags]


def children(uri: str, parent: Any) -> list[str]:
    """Return the stages whose runs are nested below a parent."""
    inside = (r for r in runs(uri) if r.data.tags["mlflow.parentRunId"] == parent.info.run_id)
    return sorted(run.info.run_name for run in inside)


def all_runs(uri: str) -> list[Any]:
    import mlflow

    client = mlflow.MlflowClient(uri, uri)
    experiment = client.get_experiment_by_name("pokegan")
    return list(client.search_runs([experiment.experiment_id])) if experiment else []


def store(folder: Path) -> str:
    return f"sqlite:///{folder / 'mlflow.db'}"


def points(uri: str, run: Any) -> dict[str, list[tuple[int, float]]]:
    """Return the points of a run by metric: (step, value), sorted."""
    import mlflow

    client = mlflow.MlflowClient(uri, uri)
    return {
        key: sorted((p.step, p.value) for p in client.get_metric_history(run.info.run_id, key))
        for key in run.data.metrics
        if not key.startswith("system/")
    }


def images(uri: str, run: Any) -> list[int]:
    """Return the steps of the images of a run, sorted."""
    import mlflow

    listed = mlflow.MlflowClient(uri, uri).list_artifacts(run.info.run_id, "images")
    found = (re.match(r"samples.step.(\d+)\D.*\.png", Path(each.path).name) for each in listed)
    return sorted(int(match[1]) for match in found if match)


def assert_training_is_complete(uri: str) -> Any:
    """Check that the store has one run of the training, with each point and image once."""
    (run,) = runs(uri, TRAIN)
    assert run.info.status == "FINISHED"
    found = points(uri, run)
    assert found["epoch"] == [(step, step) for step in STEPS]
    expected = [(step, float(f"{1 / step:.6g}")) for step in STEPS]
    assert [(s, float(f"{v:.6g}")) for s, v in found["generator_loss"]] == expected
    assert images(uri, run) == STEPS
    assert run.data.params["tiny.epochs"] == "8.0"
    return run


if __name__ == "__main__":
    main(sys.argv[1])
