"""Generators in a real registry, served by the real `mlflow models predict`."""

import base64
import json
from io import BytesIO
from pathlib import Path

import mlflow
import numpy as np
import pytest
from PIL import Image

from pokegan.compute.randomness import Streams
from pokegan.core.params import read_params
from pokegan.networks.sampling import generate_images, sample_latents
from pokegan.networks.weights import load_network
from pokegan.tracking.registry import choose_best
from pokegan.tracking.run import track_run
from pokegan.tracking.store import connect
from tests.conftest import run
from tests.models import save_model
from tests.tracking.toy import runs, store

NAME, ALIAS = "pokegan-dcgan819", "best_effnet_lite0"


def evaluate(folder: Path, seed: int, distance: float, pictures: int = 400) -> None:
    """Log an evaluation that gives the generator of a seed this distance."""
    if not (folder / f"m{seed}").exists():
        save_model(folder / f"m{seed}", seed=seed)
    facts = {"pictures": pictures, "reference_effnet_lite0": "0123456789abcdef"}
    scores = {**facts, "fd_effnet_lite0": distance}
    with track_run("evaluate", read_params("seed")) as tracked:
        tracked.log_model("dcgan819", folder / f"m{seed}", scores)


def client(folder: Path) -> mlflow.MlflowClient:
    return mlflow.MlflowClient(store(folder), store(folder))


def best(folder: Path) -> tuple[int, str]:
    version = client(folder).get_model_version_by_alias(NAME, ALIAS)
    return int(version.version), version.tags["fd_effnet_lite0"]


@pytest.mark.slow
def test_the_alias_belongs_to_the_lowest_distance_among_versions_scored_alike(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evaluate(workspace, 1, 300.0)
    evaluate(workspace, 2, 200.0)
    evaluate(workspace, 3, 250.0)
    assert best(workspace) == (2, "200.0")
    evaluate(workspace, 2, 200.0)  # the same weights are no new version
    versions = client(workspace).search_model_versions(f"name = '{NAME}'")
    assert sorted(int(each.version) for each in versions) == [1, 2, 3]
    # Fewer pictures give a larger distance: the scores of each protocol stay beside each other.
    evaluate(workspace, 2, 370.0, pictures=100)
    evaluate(workspace, 3, 350.0, pictures=100)
    assert best(workspace) == (3, "350.0")
    evaluate(workspace, 4, 240.0)
    assert best(workspace)[0] == 2
    # Back to the other protocol without an evaluation.
    few = {"pictures": 100, "reference_effnet_lite0": "0123456789abcdef"}
    assert choose_best(connect(), "dcgan819", few) == [ALIAS]
    assert best(workspace)[0] == 3
    assert not choose_best(connect(), "dcgan819", few)
    assert "Warning" not in capsys.readouterr().err


@pytest.mark.slow
def test_mlflow_serves_the_images_of_the_generator_without_this_repository(workspace: Path) -> None:
    """From the registry's own copy of the package, which holds neither tests nor data."""
    evaluate(workspace, 1, 300.0)
    elsewhere = workspace / "elsewhere"
    elsewhere.mkdir()
    rows = [{"seed": 5, "count": 2}, {"seed": 6, "count": 1}]
    (elsewhere / "request.json").write_text(json.dumps({"dataframe_records": rows}))
    options = "--env-manager local -t json -i request.json -o response.json"
    command = ("mlflow", "models", "predict", "-m", f"models:/{NAME}@{ALIAS}", *options.split())
    run(*command, cwd=elsewhere, MLFLOW_TRACKING_URI=store(workspace))
    rows = json.loads((elsewhere / "response.json").read_text())["predictions"]
    assert [(row["seed"], row["number"]) for row in rows] == [(5, 0), (5, 1), (6, 0)]
    generator = load_network(workspace / "m1", "generator")
    z = sample_latents(2, 8, Streams(5)["samples"])
    for row, pixels in zip(rows, generate_images(generator, z).numpy(), strict=False):
        with Image.open(BytesIO(base64.b64decode(row["png"]))) as image:
            np.testing.assert_array_equal(np.asarray(image), pixels)
    (code,) = workspace.glob("mlartifacts/**/code")
    assert [path.name for path in code.iterdir()] == ["pokegan"]
    version = client(workspace).get_model_version_by_alias(NAME, ALIAS)
    (evaluation,) = runs(store(workspace))
    assert version.run_id == evaluation.info.run_id
    assert len(evaluation.outputs.model_outputs) == 1

    mlflow.set_tracking_uri(store(workspace))
    model = mlflow.pyfunc.load_model(f"models:/{NAME}@{ALIAS}")
    for count in (0, 1001):
        with pytest.raises(ValueError, match=f"count is {count}, but it must be within 1 … 1000"):
            model.predict({"seed": [1], "count": [count]})
