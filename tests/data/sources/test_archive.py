import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from pokegan.core.errors import PipelineError
from stages.sources import archive


def tarball(path: Path, *entries: tuple[tarfile.TarInfo, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as target:
        for entry, content in entries:
            entry.size = len(content)
            target.addfile(entry, io.BytesIO(content))
    return path


def names(path: Path) -> list[str]:
    return [name for name, _ in archive.read_tarball(path, lambda name: True)]


def test_wanted_files_are_read_below_the_first_folder(tmp_path: Path) -> None:
    path = tarball(
        tmp_path / "a.tgz",
        (tarfile.TarInfo("package/a/1.svg"), b"one"),
        (tarfile.TarInfo("package/b.txt"), b"two"),
    )
    found = list(archive.read_tarball(path, lambda name: name.endswith(".svg")))
    assert found == [("a/1.svg", b"one")]


@pytest.mark.parametrize("name", ["package/../../evil.svg", "/etc/evil.svg", "../evil.svg"])
def test_an_entry_that_leaves_its_folder_is_refused(tmp_path: Path, name: str) -> None:
    path = tarball(tmp_path / "a.tgz", (tarfile.TarInfo(name), b"x"))
    with pytest.raises(PipelineError, match=r"a.tgz.*refused"):
        names(path)


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE]
)
def test_links_and_devices_are_refused(tmp_path: Path, kind: bytes) -> None:
    entry = tarfile.TarInfo("package/1.svg")
    entry.type, entry.linkname = kind, "/etc/passwd"
    with pytest.raises(PipelineError, match=r"1.svg is a link or a device.*refused"):
        names(tarball(tmp_path / "a.tgz", (entry, b"")))


def test_absurd_sizes_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = (tarfile.TarInfo("package/1.svg"), b"x" * 1000)
    two = (tarfile.TarInfo("package/2.svg"), b"x" * 1000)
    path = tarball(tmp_path / "a.tgz", one, two)
    monkeypatch.setattr(archive, "LARGEST_TOTAL", 1500)
    with pytest.raises(PipelineError, match=r"2.svg .*refused"):
        names(path)
    monkeypatch.setattr(archive, "LARGEST_FILE", 500)
    with pytest.raises(PipelineError, match=r"1.svg .*refused"):
        names(path)


@pytest.mark.parametrize("keep", [0.9, 0.5, 0.01])
def test_a_truncated_archive_is_named(tmp_path: Path, keep: float) -> None:
    import random

    noise = random.Random(0).randbytes(50_000)
    path = tarball(tmp_path / "a.tgz", (tarfile.TarInfo("package/1.svg"), noise))
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * keep)])
    with pytest.raises(PipelineError, match=r"a.tgz is a broken archive"):
        names(path)


def test_an_archive_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.tgz").write_bytes(b"<html>not found</html>")
    with pytest.raises(PipelineError, match=r"a.tgz is a broken archive"):
        names(tmp_path / "a.tgz")


def test_our_zip_is_the_same_bytes_in_any_order(tmp_path: Path) -> None:
    files = [("b/2.png", b"two"), ("a/1.png", b"one")]
    assert archive.write_archive(tmp_path / "x.zip", files) == 2
    archive.write_archive(tmp_path / "y.zip", reversed(files))
    assert (tmp_path / "x.zip").read_bytes() == (tmp_path / "y.zip").read_bytes()
    with archive.read_archive(tmp_path / "x.zip") as opened:
        assert opened.namelist() == ["a/1.png", "b/2.png"]
        assert opened.getinfo("a/1.png").compress_type == zipfile.ZIP_STORED


def test_a_missing_and_a_broken_zip_are_named(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match=r"x.zip is missing; run `dvc repro`"):
        archive.read_archive(tmp_path / "x.zip")
    (tmp_path / "x.zip").write_bytes(b"no zip")
    with pytest.raises(PipelineError, match=r"x.zip is broken"):
        archive.read_archive(tmp_path / "x.zip")
