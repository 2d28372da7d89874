from pathlib import Path

import numpy as np
import pytest

from pokegan.core.arrays import check_resolution, load_images
from pokegan.core.errors import PipelineError


def test_images_are_loaded(tmp_path: Path, drawings: np.ndarray) -> None:
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
def test_another_array_is_refused(tmp_path: Path, array: np.ndarray) -> None:
    np.save(tmp_path / "x.npy", array)
    with pytest.raises(PipelineError, match=r"x.npy holds .* of shape .*dvc repro"):
        load_images(tmp_path / "x.npy")


@pytest.mark.parametrize("content", [b"", b"no array", b"\x93NUMPY\x01\x00"])
def test_a_damaged_file_is_reported(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.npy").write_bytes(content)
    with pytest.raises(PipelineError, match=r"x.npy cannot be read"):
        load_images(tmp_path / "x.npy")


def test_another_resolution_is_refused() -> None:
    check_resolution(Path("x.npy"), 32, 32)
    with pytest.raises(PipelineError, match="x.npy holds images of 32×32 .* trained at 64×64"):
        check_resolution(Path("x.npy"), 32, 64)
