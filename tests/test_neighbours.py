"""The command that finds the true pictures which generated ones resemble most."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from stages.drawing import draw_latents, load_drawing_generator
from stages.gan.networks import draw_pictures
from tests.conftest import Stage, assert_one_sentence
from tests.test_drawing import cells, save_model

COMMAND = ("neighbours", "model", "true.npy", "n.png", "--count", "2", "--neighbours", "3")


@pytest.fixture
def data(workspace: Path, drawings: np.ndarray) -> np.ndarray:
    """14 drawings in true.npy, row 7 of which the model has copied as its second sample."""
    save_model(workspace / "model")
    generator, _ = load_drawing_generator(workspace / "model", torch.device("cpu"))
    pictures = drawings[:14].copy()
    pictures[7] = draw_pictures(generator, draw_latents(2, 8, seed=1)).numpy()[1]
    np.save(workspace / "true.npy", pictures)
    rows = {"row": range(14), "source": [f"{row}.png" for row in range(14)], "frame": 0}
    pd.DataFrame(rows).to_csv("true.csv", index=False)
    return pictures


def test_a_copy_is_found(stage: Stage, data: np.ndarray) -> None:
    said = stage(*COMMAND)
    assert said.exit_code == 0, said.output
    told = json.loads(said.stdout)
    assert (told["pictures"], told["seed"], told["step"]) == (14, 1, None)
    assert told["encoder_sha256"].startswith("57934424")
    quantiles = list(told["true_to_nearest_true"].values())
    assert 0 < quantiles[0] < quantiles[1] < quantiles[2]

    first, second = told["drawn"]
    copied = second["neighbours"][0]
    assert (copied["row"], copied["source"], copied["frame"]) == (7, "7.png", 0)
    assert copied["distance"] < 0.01
    assert second["closer_than"] == 1
    assert first["neighbours"][0]["distance"] > 1
    for each in (first, second):
        distances = [near["distance"] for near in each["neighbours"]]
        assert len(distances) == 3
        assert distances == sorted(distances)

    sheet = cells(np.asarray(Image.open("n.png")), 4, 64, 80)[:, :64:2, ::2]
    assert (sheet[4] == data[7]).all()
    for row, each in zip((0, 1), (first, second), strict=True):
        shown = sheet[4 * row + 1 : 4 * row + 4]
        assert (shown == data[[near["row"] for near in each["neighbours"]]]).all()


def test_features_are_computed_once(stage: Stage, data: np.ndarray) -> None:
    said = [stage(*COMMAND)]
    picture = Path("n.png").read_bytes()
    (kept,) = Path(".work/features").iterdir()
    assert kept.name.endswith("_effnet_lite0.npz")
    said.append(stage(*COMMAND))
    kept.write_bytes(b"half")
    said.append(stage(*COMMAND))
    assert len({each.stdout for each in said}) == 1
    assert Path("n.png").read_bytes() == picture
    assert ["encode true" in each.stderr for each in said] == [True, False, True]
    np.save("true.npy", data[::-1])
    assert "encode true" in stage(*COMMAND).stderr
    assert len(list(Path(".work/features").iterdir())) == 2


def test_without_a_manifest_of_its_own(stage: Stage, data: np.ndarray) -> None:
    Path("true.csv").write_text("row,source,frame\n0,a.png,0\n")
    said = stage(*COMMAND)
    assert said.exit_code == 0
    assert "Warning: true.csv is not of true.npy" in said.stderr
    Path("true.csv").write_text("what,ever\n0,a.png\n")
    assert "Warning: true.csv cannot be read" in stage(*COMMAND).stderr
    Path("true.csv").unlink()
    (near, *_) = json.loads(stage(*COMMAND).stdout)["drawn"][0]["neighbours"]
    assert set(near) == {"row", "distance"}


def test_faults_are_one_sentence(stage: Stage, data: np.ndarray) -> None:
    assert_one_sentence(stage("neighbours", "model", "none.npy", "n.png"), "none.npy is missing")
    for wrong in ("params.yaml", "model"):
        other = stage("neighbours", "model", wrong, "n.png")
        assert_one_sentence(other, f"{wrong} is no data set", "data/pokemon819.npy")
    assert stage("neighbours", "model", "true.npy", "n.png", "--seed", str(2**64)).exit_code == 2
    many = stage("neighbours", "model", "true.npy", "n.png", "--neighbours", "14")
    assert_one_sentence(many, "--neighbours is 14", "holds 14 pictures")
    np.save("small.npy", data[:, ::2, ::2])
    small = stage("neighbours", "model", "small.npy", "n.png")
    assert_one_sentence(small, "small.npy holds pictures of 16 pixels", "draws 32")
    assert_one_sentence(stage("neighbours", "model", "true.npy", "n.gif"), "n.gif", "(.png)")
    other = stage("neighbours", "model", "true.npy", "n.png", "--encoder", "inception")
    assert_one_sentence(other, "POKEGAN_INCEPTION_WEIGHTS")
    assert stage("neighbours", "model", "true.npy", "n.png", "--count", "0").exit_code == 2
    assert not Path("n.png").exists()
    assert not Path(".work").exists()
