"""Sources folder, git and kaggle, through the download stage."""

from __future__ import annotations

import sys
import types
from pathlib import Path

import pytest
from PIL import Image

from pokegan.data.sources.archive import read_archive
from tests.conftest import Stage, assert_one_sentence, commit, run, set_params


def draw(path: Path, colour: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), colour).save(path)


def contents(archive: str = "raw/pictures.zip") -> list[str]:
    with read_archive(Path(archive)) as opened:
        return opened.namelist()


@pytest.fixture
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("own")
    draw(folder / "25-pop-star.png", "red")
    draw(folder / "deep" / "4.jpg", "blue")
    (folder / "notes.txt").write_text("no picture")
    return folder


def test_folder(stage: Stage, workspace: Path, pictures: Path) -> None:
    set_params(workspace, {"download.source": "folder", "download.folder": str(pictures)})
    result = stage("download", "raw/pictures.zip")
    assert result.exit_code == 0, result.output
    assert contents() == ["pictures/25-pop-star.png", "pictures/deep/4.jpg"]
    assert [path.name for path in Path("raw").iterdir()] == ["pictures.zip"]


def test_a_relative_folder_is_meant_from_the_root(
    stage: Stage, workspace: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In DVC's temporary workspaces the working directory is not the repository."""
    monkeypatch.setenv("DVC_ROOT", str(pictures.parent))
    set_params(workspace, {"download.source": "folder", "download.folder": pictures.name})
    assert stage("download", "raw/pictures.zip").exit_code == 0
    assert len(contents()) == 2


@pytest.mark.parametrize(
    ("folder", "word"), [(None, "names none"), ("/not/there", "is no folder"), ("empty", "holds no picture")]
)  # fmt: skip
def test_folder_faults(stage: Stage, workspace: Path, folder: str | None, word: str) -> None:
    (workspace / "empty").mkdir()
    set_params(workspace, {"download.source": "folder", "download.folder": folder})
    assert_one_sentence(stage("download", "raw/pictures.zip"), "download.folder", word)
    assert not list(Path("raw").iterdir())


def test_a_link_that_leaves_the_folder_is_refused(
    stage: Stage, workspace: Path, pictures: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = tmp_path_factory.mktemp("outside") / "1.png"
    draw(outside, "green")
    (pictures / "1.png").symlink_to(outside)
    set_params(workspace, {"download.source": "folder", "download.folder": str(pictures)})
    assert_one_sentence(stage("download", "raw/pictures.zip"), "1.png", "link that leaves")


@pytest.fixture
def repository(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A repository whose second commit changes everything, and its first commit."""
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
    return folder, first


def test_git_takes_the_pinned_commit_and_path_alone(
    stage: Stage, workspace: Path, repository: tuple[Path, str]
) -> None:
    folder, first = repository
    source = {"repository": folder.as_uri(), "commit": first, "path": "data/pokemon"}
    set_params(workspace, {"download.source": "git", "download.git": source})
    result = stage("download", "raw/pictures.zip")
    assert result.exit_code == 0, result.output
    assert contents() == ["pictures/1.png"]


@pytest.mark.parametrize("path", ["", "."])
def test_git_takes_a_whole_repository(
    stage: Stage, workspace: Path, repository: tuple[Path, str], path: str
) -> None:
    folder, first = repository
    source = {"repository": folder.as_uri(), "commit": first, "path": path}
    set_params(workspace, {"download.source": "git", "download.git": source})
    result = stage("download", "raw/pictures.zip")
    assert result.exit_code == 0, result.output
    assert contents() == ["pictures/data/pokemon/1.png", "pictures/elsewhere/2.png"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"commit": "0" * 40}, ["at 000000000000 could not be fetched"]),
        ({"path": "data/digimon"}, ["download.git.path", "is no folder"]),
        ({"repository": "file:///not/there"}, ["file:///not/there", "could not be fetched"]),
    ],
)
def test_git_faults(
    stage: Stage,
    workspace: Path,
    repository: tuple[Path, str],
    change: dict[str, str],
    words: list[str],
) -> None:
    folder, first = repository
    source = {"repository": folder.as_uri(), "commit": first, "path": "data/pokemon", **change}
    set_params(workspace, {"download.source": "git", "download.git": source})
    assert_one_sentence(stage("download", "raw/pictures.zip"), *words)
    assert not list(Path("raw").iterdir())


def test_kaggle_without_its_client(
    stage: Stage, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "kagglehub", None)
    set_params(workspace, {"download.source": "kaggle"})
    assert_one_sentence(stage("download", "raw/pictures.zip"), "kagglehub", "make kaggle")


def test_kaggle_asks_for_the_pinned_version(
    stage: Stage, workspace: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    client = types.ModuleType("kagglehub")
    client.dataset_download = lambda handle: asked.append(handle) or str(pictures)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "kagglehub", client)
    set_params(workspace, {"download.source": "kaggle"})
    assert stage("download", "raw/pictures.zip").exit_code == 0
    assert asked == ["kvpratama/pokemon-images-dataset/versions/1"]
    assert len(contents()) == 2

    def refuse(handle: str) -> str:
        raise ConnectionError("403 Forbidden\nmore lines")

    client.dataset_download = refuse  # type: ignore[attr-defined]
    assert_one_sentence(stage("download", "raw/again.zip"), "403 Forbidden", "token")


def test_own_pictures_become_both_sets(stage: Stage, workspace: Path, pictures: Path) -> None:
    set_params(
        workspace,
        {
            "download.source": "folder",
            "download.folder": str(pictures),
            "pokemon819.count": None,
            "pokemon14000.count": 3,
        },
    )
    stage("download", "raw.zip")
    made = stage("prepare", "pokemon819", "raw.zip", "p.npy", "p.csv", "p.png")
    assert made.exit_code == 0, made.output
    assert Path("p.csv").read_text().splitlines()[1].startswith("0,pictures/deep/4.jpg,4,,picture")
    short = stage("prepare", "pokemon14000", "raw.zip", "q.npy", "q.csv", "q.png")
    assert_one_sentence(short, "pokemon14000.count is 3", "only 2", "-S pokemon14000.count=null")
    assert not Path("q.npy").exists()
