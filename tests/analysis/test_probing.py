from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pokegan.analysis.probing import (
    FOLDS,
    Task,
    linear_probe,
    majority_baseline,
    make_task,
    read_labels,
    split,
    summarize,
)
from pokegan.core.errors import PipelineError


@pytest.fixture
def task() -> Task:
    """160 images in 40 families of four; half of the families are Water, a quarter each Fire, Grass."""
    families = np.repeat(np.arange(40), 4)
    types = np.array(["Water", "Fire", "Water", "Grass"])[families % 4]
    return Task(np.arange(160), types, families, 0, 0)


def test_no_family_is_on_both_sides(task: Task) -> None:
    folds = split(task, seed=1)
    assert len(folds) == FOLDS
    for train, held_out in folds:
        assert not set(task.families[train]) & set(task.families[held_out])
        assert set(task.types[held_out]) == {"Water", "Fire", "Grass"}
    assert sorted(np.concatenate([held_out for _, held_out in folds])) == list(range(160))


def test_features_that_determine_the_type_predict_it(task: Task) -> None:
    features = np.eye(3)[np.unique(task.types, return_inverse=True)[1]]
    folds, predictions = linear_probe(features, task, seed=1)
    assert (predictions == task.types).all()
    assert {value for fold in folds for value in fold.values()} == {1.0}
    assert set(folds[0]) == {"accuracy", "balanced_accuracy", "water_auc"}


def test_features_of_the_family_do_not_predict_the_types_of_others(task: Task) -> None:
    """A probe trained on relatives would predict all types."""
    features = np.eye(40)[task.families].astype(np.float32)
    folds, _ = linear_probe(features, task, seed=1)
    assert np.mean([fold["accuracy"] for fold in folds]) < 0.6
    assert np.mean([fold["balanced_accuracy"] for fold in folds]) < 0.45


def test_water_auc_is_absent_if_a_fold_has_no_water(task: Task) -> None:
    types = np.where(task.families < 3, "Water", np.where(task.families % 2, "Fire", "Grass"))
    few = Task(task.rows, types, task.families, 0, 0)
    features = np.random.default_rng(0).normal(size=(160, 5))
    folds, _ = linear_probe(features, few, seed=1)
    assert {name for fold in folds for name in fold} == {"accuracy", "balanced_accuracy"}


def test_the_baseline_predicts_the_most_common_type(task: Task) -> None:
    folds, commonest = majority_baseline(task, seed=1)
    scores = summarize("commonest", folds)
    assert commonest == "Water"
    assert scores["commonest_accuracy"] == 0.5
    assert scores["commonest_balanced_accuracy"] == round(1 / 3, 4)


def test_mean_and_spread_over_the_folds() -> None:
    folds = [{"accuracy": value} for value in (0.1, 0.2, 0.6)]
    assert summarize("x", folds) == {"x_accuracy": 0.3, "x_accuracy_spread": 0.2646}


def labels(tmp_path: Path, rows: list[str]) -> Path:
    file = tmp_path / "labels.csv"
    head = "row,national_number,first_type,second_type,family\n"
    file.write_text(head + "".join(f"{row},{each}\n" for row, each in enumerate(rows)))
    return file


def test_types_with_few_families_are_left_out_and_counted(tmp_path: Path) -> None:
    rows = [f"1,Bug,,{family}" for family in range(FOLDS)]
    rows += ["2,Ice,,7", "2,Ice,,7", "2,Ice,,8", "9,,,"]
    rows += [f"1,Fire,,{family}" for family in range(10, 10 + FOLDS)]
    task = make_task(read_labels(labels(tmp_path, rows), len(rows)))
    assert task.rows.tolist() == [*range(FOLDS), *range(FOLDS + 4, len(rows))]
    assert (task.rare, task.unlabeled, task.facts["types"]) == (3, 1, 2)
    assert task.is_possible


@pytest.mark.parametrize("rows", [["1,Bug,,1", ",,,"], [f"1,Bug,,{each}" for each in range(9)]])
def test_a_task_needs_two_types(tmp_path: Path, rows: list[str]) -> None:
    assert not make_task(read_labels(labels(tmp_path, rows), len(rows))).is_possible


def test_unusable_labels_are_an_error(tmp_path: Path) -> None:
    file = labels(tmp_path, ["1,Bug,,1"])
    with pytest.raises(PipelineError, match=r"labels.csv does not label the same 2 pictures"):
        read_labels(file, 2)
    pd.DataFrame({"row": [0]}).to_csv(file)
    with pytest.raises(PipelineError, match=r"labels.csv cannot be read"):
        read_labels(file, 1)
    file.unlink()
    with pytest.raises(PipelineError, match=r"labels.csv is missing; run `dvc repro`"):
        read_labels(file, 1)
