"""What a study searches: in Hydra's words, and refused before any work."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from dvc.repo import Repo
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from stages.params import NETWORKS
from stages.search_space import read_space
from stages.study import study
from tests.conftest import (
    ROOT,
    assert_one_sentence,
)

LR = "lr=tag(log,interval(0.00001,0.001))"


@pytest.mark.parametrize(
    ("words", "searched", "fixed"),
    [
        (["dcgan819.width=8,16,64"], CategoricalDistribution((8, 16, 64)), {}),
        (["dcgan819.width=choice(8,16,8)"], CategoricalDistribution((8, 16)), {}),
        (["dcgan819.width=range(8,65,step=8)"], IntDistribution(8, 64, step=8), {}),
        (["dcgan819.width=range(8,64,8)"], IntDistribution(8, 56, step=8), {}),
        (["dcgan819.width=range(10,0,-3)"], IntDistribution(1, 10, step=3), {}),
        (["dcgan819.width=tag(log,range(1,65))"], IntDistribution(1, 64, log=True), {}),
        (["dcgan819.width=int(interval(8,64))"], IntDistribution(8, 64), {}),
        (["dcgan819.epochs=range(0.1,0.6,0.1)"], FloatDistribution(0.1, 0.5, step=0.1), {}),
        (["dcgan819.ema=interval(0,0.9)"], FloatDistribution(0, 0.9), {}),
        ([LR, "seed=3"], FloatDistribution(1e-5, 1e-3, log=True), {"seed": "3"}),
        (["params.yaml:lr=1e-05,0.1", "aegan.lr=1"], CategoricalDistribution((1e-5, 0.1)), {"aegan.lr": "1"}),
        (["dcgan819.lr=null,0.1"], CategoricalDistribution(("null", 0.1)), {}),
        (["dcgan819.spectral_norm=true,false"], CategoricalDistribution((True, False)), {}),
        (["dcgan819.betas=[0.5,0.9],[0,0.99]"], CategoricalDistribution(("[0.5,0.9]", "[0,0.99]")), {}),
        (["dcgan819.optimizer=shuffle(adam,rmsprop)"], CategoricalDistribution(("adam", "rmsprop")), {}),
    ],
)  # fmt: skip
def test_spaces_are_read_as_hydra_writes_them(
    workspace: Path, words: list[str], searched: Any, fixed: dict[str, str]
) -> None:
    space = read_space(words, "dcgan819")
    assert list(space.searched.values()) == [searched]
    assert space.fixed == fixed


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ("", ["nothing to search"]),
        ("-S lr=0.1", ["nothing to search"]),
        ("-S lr=choice(0.1)", ["nothing to search"]),
        ("-S dcgan819.widht=1,2", ["dcgan819.widht", "did you mean dcgan819.width"]),
        ("-S +lr=1,2", ["no parameter +lr"]),
        ("-S lr", ["-S lr is no KEY=VALUES"]),
        ("-S lr=choice(", ["-S lr=choice("]),
        ("-S other.yaml:lr=1,2", ["other.yaml"]),
        ("-S lr=1,2 -S lr=3", ["lr is given twice"]),
        ("-S dcgan819.width=0,8", ["dcgan819.width is 0", "greater than or equal to 1"]),
        ("-S dcgan819.width=interval(2,8)", ["dcgan819.width is 2.0", "integer"]),
        ("-S dcgan819.dropout_generator=interval(0,1)", ["is 1.0", "less than 1"]),
        ("-S dcgan819.optimizer=adam,sgd", ["dcgan819.optimizer is 'sgd'"]),
        (
            "-S dcgan819.architecture=mlp -S dcgan819.normalization_generator=batch,instance",
            ["instance", "mlp"],
        ),
        ("-S lr=1,2 -S seed=x", ["seed is 'x'"]),
        ("-S lr=${nothing},1", ["'nothing' not found"]),
        ("-S lr=range(1,1)", ["holds no value"]),
        ("-S lr=range(1,2,0)", ["holds no value"]),
        ("-S lr=interval(2,1)", ["low=2.0"]),
        ("-S lr=tag(log,interval(0,1))", ["low=0.0"]),
        ("-S lr=tag(steep,interval(1,2))", ["the only tag is log"]),
        ("-S lr=1,interval(1,2)", ["a choice is among values"]),
        ("-S lr=glob(*)", ["glob"]),
        ("-S aegan.lr=0.1,0.2", ["aegan.lr does not shape dcgan819"]),
        ("-S evaluate.pictures=8,16", ["evaluate.pictures does not shape"]),
        ("-S lr=1,2 --encoder inception", ["[effnet_lite0,inception]"]),
        ("-S lr=1,2 --encoder dinov2 --score cs", ["no classes"]),
        ("-S lr=1,2 --name a/b", ["--name a/b"]),
        ("-S lr=1,2", ["need a commit"]),
    ],
)
def test_what_cannot_be_searched_is_one_sentence_before_any_work(
    workspace: Path, arguments: str, named: list[str]
) -> None:
    result = CliRunner().invoke(study, ["dcgan819", *arguments.split()])
    assert_one_sentence(result, *named)
    assert not list(workspace.glob(".work/studies.db"))


def test_values_are_short_enough_for_dvc_lock(workspace: Path) -> None:
    """DVC loses the seventeenth digit in it, and would run the stage again and again."""
    space = read_space([LR, "dcgan819.ema=interval(0,0.99)", "dcgan819.width=1,2"], "dcgan819")
    proposed = {"lr": 6.229696322998467e-05, "dcgan819.ema": 0.98999999, "dcgan819.width": 2}
    words = space.overrides(space.values(proposed))
    assert words == ["lr=6.2297e-05", "dcgan819.ema=0.99", "dcgan819.width=2"]


def test_every_stage_and_file_of_a_study_is_in_the_pipeline() -> None:
    with Repo(str(ROOT)) as repo:
        stages = {stage.addressing: stage for stage in repo.index.stages}
    for network in NETWORKS:
        stage = stages[f"evaluate_{network}@effnet_lite0"]
        assert f"reports/{network}/scores/effnet_lite0.json" in [str(out) for out in stage.outs]
