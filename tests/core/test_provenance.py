import subprocess
from pathlib import Path

import pytest

from pokegan.core.provenance import git, provenance, root
from tests.conftest import commit, run


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    run("git", "init", "-q", cwd=tmp_path)
    (tmp_path / "params.yaml").write_text("seed: 1\n")
    (tmp_path / "dvc.lock").write_text("{}\n")
    commit(tmp_path, "start")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_changed_parameters_make_the_commit_dirty_and_a_changed_lock_file_does_not(
    repository: Path,
) -> None:
    (repository / "dvc.lock").write_text("{ }\n")
    recorded = provenance()
    assert recorded["git_commit"] == git("rev-parse", "HEAD", folder=repository)
    assert recorded["git_dirty"] is False
    (repository / "params.yaml").write_text("seed: 2\n")
    assert provenance()["git_dirty"] is True


def test_git_ignores_the_repository_of_a_surrounding_hook(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DIR", "/nowhere/.git")
    assert git("rev-parse", "--is-inside-work-tree") == "true"


def test_a_failed_git_command_raises_with_its_reason_or_returns_nothing(repository: Path) -> None:
    with pytest.raises(subprocess.CalledProcessError) as caught:
        git("checkout", "nowhere")
    assert "nowhere" in caught.value.stderr
    assert git("checkout", "nowhere", check=False) == ""


def test_without_git_the_provenance_is_recorded_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert provenance()["git_commit"] == "none"


def test_the_root_is_that_of_the_repository_in_a_temporary_workspace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    assert root() == tmp_path.resolve()
