from pathlib import Path

import numpy as np
import pytest

from pokegan.core.arrays import load_images
from pokegan.core.errors import PipelineError
from pokegan.core.schema import Augment
from stages.augment import enlarge

JITTER = Augment(brightness=0.2, contrast=0.2, saturation=0.2, keep_white=True)


def test_a_good_set_is_read(tmp_path: Path, drawings: np.ndarray) -> None:
    np.save(tmp_path / "x.npy", drawings)
    assert np.array_equal(load_images(tmp_path / "x.npy"), drawings)


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((2, 4, 4, 3)),
        np.zeros((2, 4, 5, 3), np.uint8),
        np.zeros((0, 4, 4, 3), np.uint8),
        np.zeros((2, 4, 4), np.uint8),
    ],
)
def test_something_else_is_named(tmp_path: Path, array: np.ndarray) -> None:
    np.save(tmp_path / "x.npy", array)
    with pytest.raises(PipelineError, match=r"x.npy holds .* of shape .*dvc repro"):
        load_images(tmp_path / "x.npy")


@pytest.mark.parametrize("content", [b"", b"no array", b"\x93NUMPY\x01\x00"])
def test_a_broken_file_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.npy").write_bytes(content)
    with pytest.raises(PipelineError, match=r"x.npy cannot be read"):
        load_images(tmp_path / "x.npy")


def test_the_jitter_is_seeded_and_each_part_of_it_counts(drawings: np.ndarray) -> None:
    assert np.array_equal(enlarge(drawings, JITTER, 1), enlarge(drawings, JITTER, 1))
    assert not np.array_equal(enlarge(drawings, JITTER, 1), enlarge(drawings, JITTER, 2))
    still = Augment(brightness=0, contrast=0, saturation=0, keep_white=False)
    third = enlarge(drawings, still, 1)[2 * len(drawings) :]
    assert np.array_equal(third, drawings)
    for part in ("brightness", "contrast", "saturation"):
        changed = still.model_copy(update={part: 0.5})
        assert not np.array_equal(enlarge(drawings, changed, 1)[2 * len(drawings) :], drawings)


def test_without_keep_white_the_ground_turns_grey(drawings: np.ndarray) -> None:
    grey = JITTER.model_copy(update={"keep_white": False, "brightness": 0.5})
    third = enlarge(drawings, grey, 1)[2 * len(drawings) :]
    assert (third[drawings == 255] < 255).mean() > 0.2
