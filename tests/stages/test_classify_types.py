"""Types that differ by their colour alone, or by their shape alone, as a stage sees them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import Stage, assert_one_sentence

ARGUMENTS = ("effnet_lite0", "pictures.npy", "labels.csv", "types.npz", "types.json")
TYPES = ("Fire", "Water")
COLOURS = {"Fire": (220, 60, 30), "Water": (40, 90, 220), "": (0, 0, 0)}
LINES, EACH = 12, 2  # evolution lines a type, pictures a line


def write(differ_by: str, types: tuple[str, ...] = TYPES, lines: int = LINES) -> None:
    """pictures.npy and labels.csv: TYPES differ by "colour" or by "shape", and in nothing else."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:32, :32]
    pictures, labels = [], ["row,first_type,family"]
    for line in range(lines * len(types)):
        kind = types[line % len(types)]
        for _ in range(EACH):
            # The other property is drawn for each picture, whatever its type is.
            chance = TYPES[rng.integers(2)]
            colour = COLOURS[kind if differ_by == "colour" else chance]
            tall = (kind if differ_by == "shape" else chance) == "Fire"
            (top, left), size = rng.integers(14, 18, 2), rng.integers(8, 11)
            wide, high = (size / 2, size) if tall else (size, size / 2)
            picture = np.full((32, 32, 3), 255, np.uint8)
            picture[((y - top) / high) ** 2 + ((x - left) / wide) ** 2 < 1] = colour
            labels.append(f"{len(pictures)},{kind},{line}")
            pictures.append(picture)
    # And one that nobody knows.
    np.save("pictures.npy", np.stack([*pictures, pictures[0]]))
    Path("labels.csv").write_text("\n".join([*labels, f"{len(pictures)},,"]))


def contrasted(stage: Stage) -> dict[str, float]:
    made = stage("classify_types", *ARGUMENTS)
    assert made.exit_code == 0, made.output
    told: dict[str, float] = json.loads(Path("types.json").read_text())
    return told


@pytest.mark.parametrize(("differ_by", "other"), [("colour", "shape"), ("shape", "colour")])
def test_what_types_differ_by_tells_them_apart(stage: Stage, differ_by: str, other: str) -> None:
    write(differ_by)
    told = contrasted(stage)
    assert told["pictures"] == len(TYPES) * LINES * EACH
    assert told["pictures_without_type"] == 1
    assert told["commonest_accuracy"] == 0.5
    assert told[f"{differ_by}_accuracy"] == told[f"{differ_by}_water_auc"] == 1
    assert told[f"{other}_accuracy"] < 0.75
    assert 0.2 < told[f"{other}_water_auc"] < 0.8
    assert told["pixels_accuracy"] > 0.9
    assert told["encoder_accuracy"] > 0.9
    with np.load("types.npz") as found:
        assert found["names"].tolist() == list(TYPES)
        assert found["counts"].tolist() == [LINES * EACH] * 2
        assert found[f"told_by_{differ_by}"].tolist() == [1, 1]
        pictures, own = np.load("pictures.npy")[:-1], np.arange(len(TYPES) * LINES * EACH) // EACH
        mean = pictures[own % 2 == 1].mean(axis=0)
        assert np.abs(found["means"][1] - mean).max() <= 0.5
        shape = (pictures[own % 2 == 1] < 247).any(axis=3).mean(axis=0)
        assert np.abs(found["silhouettes"][1] / 255 - shape).max() < 0.01
        if differ_by == "colour":
            assert found["colours"].tolist() == [list(COLOURS[name]) for name in TYPES]


def test_the_same_bytes_again(stage: Stage) -> None:
    write("colour")

    def made() -> list[bytes]:
        contrasted(stage)
        return [Path(name).read_bytes() for name in ARGUMENTS[-2:]]

    assert made() == made()


@pytest.mark.parametrize(
    ("types", "lines", "counts"),
    [(("Water",), 6, [12]), (TYPES, 2, [4, 4]), (("",), 3, [])],
)
def test_too_few_to_tell_apart_are_no_fault(
    stage: Stage, types: tuple[str, ...], lines: int, counts: list[int]
) -> None:
    """One type alone, few evolution lines, no label at all: portraits of what is there."""
    write("colour", types, lines)
    told = contrasted(stage)
    assert not [key for key in told if "accuracy" in key]
    with np.load("types.npz") as found:
        assert found["counts"].tolist() == counts
        assert found["means"].shape == (len(counts), 32, 32, 3)


def test_labels_of_other_pictures_are_named(stage: Stage) -> None:
    write("colour")
    np.save("pictures.npy", np.load("pictures.npy")[:-1])
    result = stage("classify_types", *ARGUMENTS)
    assert_one_sentence(result, "labels.csv does not label the same 48 pictures")
    assert not Path("types.json").exists()
