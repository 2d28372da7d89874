import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.conftest import Stage, assert_one_sentence, set_params, succeed
from tests.models import save_model

LITE = "effnet_lite0"
ENCODE = ("encode", "pictures.npy", "features.npz")
EVALUATE = ("evaluate", "dcgan819", "features.npz", "model", "scores.json", "scores.csv")


@pytest.fixture
def model(workspace: Path, drawings: np.ndarray) -> Path:
    """A workspace with a model: at step 2 all weights are zero, at step 4 they are random."""
    save_model(workspace / "model")
    np.save(workspace / "pictures.npy", drawings)
    return workspace


def results() -> tuple[dict[str, Any], pd.DataFrame]:
    return json.loads(Path("scores.json").read_text()), pd.read_csv("scores.csv")


def test_snapshots_are_scored_and_several_draws_of_the_last(stage: Stage, model: Path) -> None:
    set_params(model, {"evaluate.encoders": [LITE, "alexnet"]})
    succeed(stage(*ENCODE))
    succeed(stage(*EVALUATE))
    scores, curve = results()
    assert curve[["epoch", "step"]].to_numpy().tolist() == [[0.5, 2], [1, 4]]
    assert (scores["pictures"], scores["draws"]) == (8, 2)
    assert scores["sha256_effnet_lite0"].startswith("57934424")
    for score in (
        "fd",
        "kd",
        "cs",
        "precision",
        "recall",
        "density",
        "coverage",
        "near_duplicates",
    ):
        name = f"{score}_effnet_lite0"
        assert scores[name] == curve[name].iloc[-1]
        assert scores[f"{name}_spread"] >= 0
        assert f"{name}_reals" in scores
    assert scores["fd_infinity_effnet_lite0"] != scores["fd_effnet_lite0"]
    # Zero weights generate one gray image.
    assert curve["near_duplicates_effnet_lite0"][0] == curve["near_duplicates_alexnet"][0] == 1
    assert curve["cs_effnet_lite0"][0] == pytest.approx(1)
    assert "cs_alexnet" not in curve
    for name in ("fd_effnet_lite0", "fd_alexnet"):
        assert curve[name].min() > 1.5 * scores[f"{name}_reals"]

    set_params(model, {"seed": 2, "evaluate.encoders": [LITE], "evaluate.curve_points": 1})
    succeed(stage(*EVALUATE))
    others, short = results()
    assert others["fd_effnet_lite0"] != scores["fd_effnet_lite0"]
    assert others["reference_effnet_lite0"] == scores["reference_effnet_lite0"]
    assert "fd_alexnet" not in others
    assert short["step"].tolist() == [4]


def test_too_few_images_are_an_error(stage: Stage, model: Path) -> None:
    succeed(stage(*ENCODE))
    set_params(model, {"evaluate.splits": 9, "evaluate.pictures": 400})
    assert_one_sentence(stage(*EVALUATE), "evaluate.splits is 9, but only 8")
    np.save("pictures.npy", np.zeros((7, 32, 32, 3), np.uint8))
    assert_one_sentence(stage(*ENCODE), "7 real images are too few")
    assert not list(Path().glob("scores.*"))


def test_an_incomplete_generator_is_an_error(stage: Stage, model: Path) -> None:
    succeed(stage(*ENCODE))
    (model / "model/snapshots/4.safetensors").unlink()
    assert_one_sentence(stage(*EVALUATE), "4.safetensors is missing")
    config = model / "model/config.json"
    config.write_text(config.read_text().replace('"snapshots": [', '"snapshots": [], "not": ['))
    assert_one_sentence(stage(*EVALUATE), "model holds no snapshot of its generator")
    assert not list(Path().glob("scores.*"))
