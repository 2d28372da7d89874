"""Generators in a real registry, drawn from by the real `mlflow models predict`."""

from __future__ import annotations

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
from pokegan.gans.dcgan import Dcgan
from pokegan.networks.sampling import generate_images, sample_latents
from pokegan.networks.weights import load_network, save_networks
from pokegan.tracking.run import track_run
from tests.conftest import run

NAME, ALIAS = "pokegan-dcgan819", "best_effnet_lite0"


def evaluated(folder: Path, seed: int, distance: float, pictures: int = 400, **lock: str) -> None:
    """A run of an evaluation that gave the generator of SEED this DISTANCE."""
    gan = Dcgan(read_params("dcgan819").dcgan819, 0.0002, 32, Streams(seed))
    if not (folder / f"m{seed}").exists():
        facts = {"latent_dim": 8, "resolution": 32}
        save_networks(folder / f"m{seed}", gan.networks, gan.configs, facts)
    scores = {"pictures": pictures, "fd_effnet_lite0": distance}
    with track_run("evaluate_dcgan819@effnet_lite0", read_params("seed")) as telling:
        telling.model("dcgan819", folder / f"m{seed}", "effnet_lite0", scores)


def client(folder: Path) -> mlflow.MlflowClient:
    store = f"sqlite:///{folder / 'mlflow.db'}"
    return mlflow.MlflowClient(store, store)


def best(folder: Path) -> tuple[int, str]:
    version = client(folder).get_model_version_by_alias(NAME, ALIAS)
    return int(version.version), version.tags["fd_effnet_lite0"]


def test_the_best_by_score_has_the_alias(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evaluated(workspace, 1, 300.0)
    evaluated(workspace, 2, 200.0)
    evaluated(workspace, 3, 250.0)
    assert best(workspace) == (2, "200.0")
    evaluated(workspace, 2, 200.0)  # the same weights are no new version
    versions = client(workspace).search_model_versions(f"name = '{NAME}'")
    assert sorted(int(each.version) for each in versions) == [1, 2, 3]
    # A distance from fewer pictures is larger for that alone; the versions that were scored alike
    # with the newest one are compared.
    evaluated(workspace, 3, 350.0, pictures=100)
    assert best(workspace) == (3, "350.0")
    assert "Warning" not in capsys.readouterr().err


def test_mlflow_draws_what_the_network_draws(workspace: Path, tmp_path: Path) -> None:
    """In a folder without our code, from the registry's own copies of it."""
    evaluated(workspace, 1, 300.0)
    elsewhere = workspace / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "ask.json").write_text(
        json.dumps({"dataframe_records": [{"seed": 5, "count": 2}, {"seed": 6, "count": 1}]})
    )
    ask = f"predict -m models:/{NAME}@{ALIAS} --env-manager local -t json -i ask.json -o told.json"
    store = f"sqlite:///{workspace / 'mlflow.db'}"
    run("mlflow", "models", *ask.split(), cwd=elsewhere, MLFLOW_TRACKING_URI=store)
    rows = json.loads((elsewhere / "told.json").read_text())["predictions"]
    assert [(row["seed"], row["number"]) for row in rows] == [(5, 0), (5, 1), (6, 0)]
    generator = load_network(workspace / "m1", "generator")
    z = sample_latents(2, 8, Streams(5)["samples"])
    for row, pixels in zip(rows, generate_images(generator, z).numpy(), strict=False):
        with Image.open(BytesIO(base64.b64decode(row["png"]))) as picture:
            np.testing.assert_array_equal(np.asarray(picture), pixels)


def test_a_count_that_is_absurd_is_refused(workspace: Path) -> None:
    evaluated(workspace, 1, 300.0)
    mlflow.set_tracking_uri(f"sqlite:///{workspace / 'mlflow.db'}")
    model = mlflow.pyfunc.load_model(f"models:/{NAME}@{ALIAS}")
    assert len(model.predict({"seed": [1], "count": [3]})) == 3
    for count in (0, 1001):
        with pytest.raises(ValueError, match=f"count is {count}, but it must be within 1 … 1000"):
            model.predict({"seed": [1], "count": [count]})
