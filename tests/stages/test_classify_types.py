"""The stage that classifies types, on types that differ by color or shape alone."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import Stage, assert_one_sentence, succeed

ARGUMENTS = ("effnet_lite0", "pictures.npy", "labels.csv", "types.npz", "types.json")
TYPES = ("Fire", "Water")
COLORS = {"Fire": (220, 60, 30), "Water": (40, 90, 220), "": (0, 0, 0)}
LINES, EACH = 12, 2  # evolution lines a type, pictures a line


def write(differ_by: str, types: tuple[str, ...] = TYPES, lines: int = LINES) -> None:
    """Write pictures.npy and labels.csv of types that differ by "colour" or "shape", not by both."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:32, :32]
    pictures, labels = [], ["row,first_type,family"]
    for line in range(lines * len(types)):
        kind = types[line % len(types)]
        for _ in range(EACH):
            other = TYPES[rng.integers(2)]  # decides the property that does not depend on the type
            color = COLORS[kind if differ_by == "colour" else other]
            tall = (kind if differ_by == "shape" else other) == "Fire"
            (top, left), size = rng.integers(14, 18, 2), rng.integers(8, 11)
            wide, high = (size / 2, size) if tall else (size, size / 2)
            picture = np.full((32, 32, 3), 255, np.uint8)
            picture[((y - top) / high) ** 2 + ((x - left) / wide) ** 2 < 1] = color
            labels.append(f"{len(pictures)},{kind},{line}")
            pictures.append(picture)
    # The last picture has no type.
    np.save("pictures.npy", np.stack([*pictures, pictures[0]]))
    Path("labels.csv").write_text("\n".join([*labels, f"{len(pictures)},,"]))


def classified(stage: Stage) -> dict[str, float]:
    succeed(stage("classify_types", *ARGUMENTS))
    scores: dict[str, float] = json.loads(Path("types.json").read_text())
    return scores


@pytest.mark.slow
@pytest.mark.parametrize(("differ_by", "other"), [("colour", "shape"), ("shape", "colour")])
def test_types_are_predicted_by_the_property_that_they_differ_by(
    stage: Stage, differ_by: str, other: str
) -> None:
    write(differ_by)
    scores = classified(stage)
    assert scores["pictures"] == len(TYPES) * LINES * EACH
    assert scores["pictures_without_type"] == 1
    assert scores["commonest_accuracy"] == 0.5
    assert scores[f"{differ_by}_accuracy"] == scores[f"{differ_by}_water_auc"] == 1
    assert scores[f"{other}_accuracy"] < 0.75
    assert 0.2 < scores[f"{other}_water_auc"] < 0.8
    assert scores["pixels_accuracy"] > 0.9
    assert scores["encoder_accuracy"] > 0.9
    first = [Path(name).read_bytes() for name in ARGUMENTS[-2:]]
    with np.load("types.npz") as found:
        assert found["names"].tolist() == list(TYPES)
        assert found["counts"].tolist() == [LINES * EACH] * 2
        assert found[f"told_by_{differ_by}"].tolist() == [1, 1]
        if differ_by == "colour":
            assert found["colours"].tolist() == [list(COLORS[name]) for name in TYPES]
    if differ_by == "shape":
        classified(stage)
        assert [Path(name).read_bytes() for name in ARGUMENTS[-2:]] == first


@pytest.mark.parametrize(
    ("types", "lines", "counts"),
    [(("Water",), 6, [12]), (TYPES, 2, [4, 4]), (("",), 3, [])],
)
def test_too_few_pictures_to_classify_have_portraits_only(
    stage: Stage, types: tuple[str, ...], lines: int, counts: list[int]
) -> None:
    """A single type, few evolution lines, or no label at all."""
    write("colour", types, lines)
    scores = classified(stage)
    assert not [key for key in scores if "accuracy" in key]
    with np.load("types.npz") as found:
        assert found["counts"].tolist() == counts
        assert found["means"].shape == (len(counts), 32, 32, 3)


def test_labels_of_another_data_set_are_an_error(stage: Stage) -> None:
    write("colour")
    np.save("pictures.npy", np.load("pictures.npy")[:-1])
    result = stage("classify_types", *ARGUMENTS)
    assert_one_sentence(result, "labels.csv does not label the same 48 pictures")
    assert not Path("types.json").exists()
