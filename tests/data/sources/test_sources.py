"""The sources folder, git and kaggle, through the stage `download`."""

import os
import sys
import tracemalloc
import types
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from PIL import Image

from pokegan.data.sources.archive import read_archive
from tests.conftest import Stage, assert_one_sentence, commit, run, set_params, succeed


def draw(path: Path, color: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), color).save(path)


@pytest.fixture
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("own")
    draw(folder / "25-pop-star.png", "red")
    draw(folder / "deep" / "4.jpg", "blue")
    draw(folder / ".cache" / "5.jpg", "blue")
    (folder / "notes.txt").write_text("no picture")
    return folder


class Download:
    """Runs the stage with a source and its parameters."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage

    def __call__(self, source: str, value: Any = None) -> Result:
        values = {"download.source": source} | ({f"download.{source}": value} if value else {})
        set_params(Path(), values)
        return self.stage("download", "raw/pictures.zip")

    def names(self, source: str, value: Any = None) -> list[str]:
        succeed(self(source, value))
        assert [path.name for path in Path("raw").iterdir()] == ["pictures.zip"]
        with read_archive(Path("raw/pictures.zip")) as archive:
            return archive.namelist()

    def fails(self, source: str, value: Any, *words: str) -> None:
        assert_one_sentence(self(source, value), *words)
        assert not list(Path("raw").iterdir())


@pytest.fixture
def download(stage: Stage) -> Download:
    return Download(stage)


def test_folder(download: Download, pictures: Path) -> None:
    names = ["pictures/25-pop-star.png", "pictures/deep/4.jpg", "pictures/notes.txt"]
    assert download.names("folder", str(pictures)) == names


def test_a_relative_folder_starts_at_the_root_of_the_repository(
    download: Download, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In DVC's temporary workspaces the working directory is not the repository."""
    monkeypatch.setenv("DVC_ROOT", str(pictures.parent))
    assert len(download.names("folder", pictures.name)) == 3


@pytest.mark.parametrize(
    ("folder", "words"),
    [(None, "is null"), ("/not/there", "is not a folder"), ("empty", "holds no file")],
)
def test_an_unusable_folder_is_reported(download: Download, folder: str | None, words: str) -> None:
    Path("empty").mkdir()
    download.fails("folder", folder, "download.folder", words)


def test_a_link_that_leaves_the_folder_is_refused(
    download: Download, pictures: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = tmp_path_factory.mktemp("outside") / "1.png"
    draw(outside, "green")
    for name, target in (("1.png", outside), ("linked", outside.parent)):
        (pictures / name).symlink_to(target)
        download.fails("folder", str(pictures), name, "link that leaves")
        (pictures / name).unlink()
    for name in ("nothing", "itself"):
        (pictures / name).symlink_to(pictures / "itself")
        download.fails("folder", str(pictures), name, "neither a file nor a folder")
        (pictures / name).unlink()
    os.mkfifo(pictures / "pipe")
    download.fails("folder", str(pictures), "pipe is neither a file nor a folder")
    (pictures / "pipe").unlink()
    (pictures / "again").symlink_to(pictures / "deep")
    assert len(download.names("folder", str(pictures))) == 3


def test_a_name_that_is_not_utf8_is_escaped(download: Download, pictures: Path) -> None:
    draw(pictures / os.fsdecode(b"caf\xe9.png"), "green")
    assert "pictures/caf\\xe9.png" in download.names("folder", str(pictures))


def test_a_large_folder_is_not_held_in_memory(download: Download, pictures: Path) -> None:
    for number in range(20):
        (pictures / f"{number}.bin").write_bytes(bytes(2_000_000))
    tracemalloc.start()
    try:
        download.names("folder", str(pictures))
        assert tracemalloc.get_traced_memory()[1] < 30_000_000
    finally:
        tracemalloc.stop()


def test_an_unreadable_picture_is_reported(
    download: Download, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = Path.open

    def refuse(path: Path, *arguments: Any, **options: Any) -> Any:
        if path.suffix == ".png":
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path, *arguments, **options)

    monkeypatch.setattr(Path, "open", refuse)  # as root, every file is readable
    download.fails("folder", str(pictures), "25-pop-star.png cannot be read (Permission denied)")


def test_an_unreadable_folder_is_reported(
    download: Download, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (pictures / "closed").mkdir()
    scandir = os.scandir

    def refuse(path: str | Path) -> Any:
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    download.fails("folder", str(pictures), "closed cannot be read (Permission denied)")


@pytest.fixture
def repository(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Pin the first of two commits of a repository."""
    folder = tmp_path_factory.mktemp("repository")
    run("git", "init", "-q", cwd=folder)
    run("git", "config", "uploadpack.allowAnySHA1InWant", "true", cwd=folder)
    run("git", "config", "uploadpack.allowFilter", "true", cwd=folder)
    draw(folder / "data" / "pokemon" / "1.png", "red")
    draw(folder / "elsewhere" / "2.png", "blue")
    commit(folder, "first")
    first = run("git", "rev-parse", "HEAD", cwd=folder).stdout.strip()
    draw(folder / "data" / "pokemon" / "3.png", "green")
    commit(folder, "second")
    return {"repository": folder.as_uri(), "commit": first, "path": "data/pokemon"}


def test_git_reads_only_the_pinned_commit_and_path(
    download: Download, repository: dict[str, str]
) -> None:
    assert download.names("git", repository) == ["pictures/1.png"]
    names = ["pictures/data/pokemon/1.png", "pictures/elsewhere/2.png"]
    for path in ("", "."):
        assert download.names("git", {**repository, "path": path}) == names


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"commit": "0" * 40}, ["at 000000000000 could not be fetched"]),
        ({"path": "data/digimon"}, ["download.git.path", "is not a folder"]),
        ({"path": "../elsewhere"}, ["download.git.path", "leaves the repository"]),
        ({"repository": "file:///not/there"}, ["file:///not/there", "could not be fetched"]),
    ],
)
def test_an_unusable_repository_is_reported(
    download: Download, repository: dict[str, str], change: dict[str, str], words: list[str]
) -> None:
    download.fails("git", {**repository, **change}, *words)


def test_kaggle_without_its_client_is_reported(
    download: Download, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "kagglehub", None)
    download.fails("kaggle", None, "kagglehub", "make kaggle")


def test_kaggle_downloads_the_pinned_version(
    download: Download, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    requested: list[str] = []
    client = types.ModuleType("kagglehub")
    client.dataset_download = lambda handle: requested.append(handle) or str(pictures)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "kagglehub", client)
    assert len(download.names("kaggle")) == 3
    assert requested == ["kvpratama/pokemon-images-dataset/versions/1"]

    def refuse(handle: str) -> str:
        raise ConnectionError("403 Forbidden\nmore lines")

    client.dataset_download = refuse  # type: ignore[attr-defined]
    assert_one_sentence(download("kaggle"), "403 Forbidden", "token")


def test_own_pictures_become_both_sets(download: Download, stage: Stage, pictures: Path) -> None:
    download("folder", str(pictures))
    set_params(Path(), {"pokemon819.count": None, "pokemon14000.count": 3})
    prepared = stage("prepare", "pokemon819", "raw/pictures.zip", "p.npy", "p.csv", "left.csv")
    succeed(prepared)
    reason = "no image that Pillow can read"
    assert f"1 files are left out; 1 ({reason}): pictures/notes.txt" in prepared.stderr
    assert Path("left.csv").read_text() == f"source,reason\npictures/notes.txt,{reason}\n"
    assert Path("p.csv").read_text().splitlines()[1].startswith("0,pictures/deep/4.jpg,4,,picture")
    short = stage("prepare", "pokemon14000", "raw/pictures.zip", "q.npy", "q.csv", "l.csv")
    assert_one_sentence(short, "pokemon14000 needs 3", "only 2", "-S pokemon14000.count=null")
    assert not Path("q.npy").exists()
