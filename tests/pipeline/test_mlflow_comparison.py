"""Three real experiments over lr: MLflow's parents, its page and `dvc exp show` agree.

The tests of the page need playwright, which `make test-play` installs, and Chromium.
"""

import importlib.util
import json
import re
import shutil
import socket
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from docs import screenshots
from pokegan.core.params import flatten
from tests.conftest import add_pictures, environment, make_repository, run
from tests.tracking.toy import children, parents, store

pytestmark = pytest.mark.slow

NETWORK = "dcgan14000"  # the table is sorted by its distance
STAGE = f"evaluate@{NETWORK}"
EXPERIMENTS = {"low": "0.0001", "middle": "0.0002", "high": "0.0004"}
FD, SCORES = "fd_effnet_lite0", f"reports/networks/{NETWORK}/scores.json"
HAS_BROWSER = importlib.util.find_spec("playwright") and shutil.which("chromium")


@pytest.fixture(scope="module")
def repository(empty_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository after three experiments, without a run outside of them."""
    folder = make_repository(tmp_path_factory.mktemp("comparison"))
    add_pictures(folder)
    shutil.copy(empty_store, folder)
    for name, lr in EXPERIMENTS.items():
        run("dvc", "exp", "run", "-n", name, "-S", f"lr={lr}", STAGE, cwd=folder)
    run("pokegan", "sync", cwd=folder)
    return folder


@pytest.fixture(scope="module")
def dvc(repository: Path) -> dict[str, Any]:
    """What `dvc exp show` lists: experiment → its parameters and scores."""
    rows = json.loads(run("dvc", "exp", "show", "--json", cwd=repository).stdout)
    experiments = [each for row in rows for each in row["experiments"] or []]
    return {each["name"]: each["revs"][0]["data"] for each in experiments}


def test_mlflow_and_dvc_show_the_same_parameters_and_scores(
    repository: Path, dvc: dict[str, Any]
) -> None:
    found = {each.info.run_name: each for each in parents(store(repository))}
    assert found.keys() == dvc.keys() == EXPERIMENTS.keys()
    for name, lr in EXPERIMENTS.items():
        values = dict(flatten(dvc[name]["params"]["params.yaml"]["data"]))
        assert found[name].data.params == {key: str(value) for key, value in values.items()}
        assert found[name].data.params["lr"] == lr
        scores = dvc[name]["metrics"][SCORES]["data"]
        final = {f"{NETWORK}.{key}": scores[key] for key in scores if f"{key}_spread" in scores}
        logged = found[name].data.metrics
        assert {k: v for k, v in logged.items() if not k.endswith("train_seconds")} == final
        assert logged["train_seconds"] > 0
        assert {f"train@{NETWORK}", STAGE} <= set(children(store(repository), found[name]))


@pytest.mark.skipif(not HAS_BROWSER, reason="no playwright or Chromium: make test-play")
def test_the_page_shows_a_row_per_experiment_and_what_differs(
    repository: Path, dvc: dict[str, Any]
) -> None:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with (
        screenshots.server(repository, port, env=environment()) as address,
        screenshots.browser() as page,
    ):
        rows = screenshots.open_table(page, address)
        shown = [(row["attributes.`Run Name`"], row["params.`lr`"]) for row in rows]
        assert shown == list(EXPERIMENTS.items())[::-1]  # the newest first; stages are collapsed
        distances = {name: dvc[name]["metrics"][SCORES]["data"][FD] for name in EXPERIMENTS}
        column = f"metrics.`{NETWORK}.{FD}`"
        cells = {row["attributes.`Run Name`"]: float(row[column]) for row in rows}
        assert cells == pytest.approx(distances, abs=0.1)
        sorted_rows = screenshots.sort(page, column)[: len(EXPERIMENTS)]
        best_first = [row["attributes.`Run Name`"] for row in sorted_rows]
        assert best_first == sorted(EXPERIMENTS, key=lambda name: distances[name])
        screenshots.compare(page, ["low", "high"])
        text = screenshots.show_differences(page)
        assert re.search(r"\blr\s+0\.0001\s+0\.0004\b", text)
        assert f"{NETWORK}.{FD}" in text
        assert f"{NETWORK}.width" not in text
