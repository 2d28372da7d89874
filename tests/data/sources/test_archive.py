import zipfile
from pathlib import Path

import pytest

from pokegan.core.errors import PipelineError
from pokegan.data.sources.archive import read_archive, write_archive


def test_the_order_of_the_files_does_not_change_the_bytes(tmp_path: Path) -> None:
    files = [("b/2.png", b"two"), ("a/1.png", b"one")]
    assert write_archive(tmp_path / "x.zip", files) == 2
    write_archive(tmp_path / "y.zip", reversed(files))
    assert (tmp_path / "x.zip").read_bytes() == (tmp_path / "y.zip").read_bytes()
    with read_archive(tmp_path / "x.zip") as archive:
        assert archive.namelist() == ["a/1.png", "b/2.png"]
        assert archive.getinfo("a/1.png").compress_type == zipfile.ZIP_STORED
        assert archive.read("b/2.png") == b"two"


def test_files_are_copied_as_their_contents_are_written(tmp_path: Path) -> None:
    (tmp_path / "1.png").write_bytes(b"one")
    write_archive(tmp_path / "x.zip", [("a/1.png", tmp_path / "1.png"), ("b/2.png", b"two")])
    with read_archive(tmp_path / "x.zip") as archive:
        assert [archive.read(name) for name in archive.namelist()] == [b"one", b"two"]
        assert archive.infolist()[0].date_time == archive.infolist()[1].date_time


def test_a_missing_or_damaged_archive_is_reported(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match=r"x.zip is missing; run `dvc repro`"):
        read_archive(tmp_path / "x.zip")
    (tmp_path / "x.zip").write_bytes(b"no zip")
    with pytest.raises(PipelineError, match=r"x.zip cannot be read"):
        read_archive(tmp_path / "x.zip")
