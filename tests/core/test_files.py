import errno
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pokegan.core.errors import PipelineError
from pokegan.core.files import atomic_write, save_array, save_json
from tests.conftest import ROOT


def test_an_output_is_whole_or_as_it_was(tmp_path: Path) -> None:
    output = tmp_path / "deep" / "numbers.json"
    save_json(output, [1])
    with pytest.raises(KeyError), atomic_write(output) as temporary:
        temporary.write_text("[2")
        raise KeyError
    assert output.read_text() == "[\n  1\n]\n"
    assert list(output.parent.iterdir()) == [output]


def test_a_folder_replaces_a_folder(tmp_path: Path) -> None:
    output = tmp_path / "model"
    for name in ("first", "second"):
        with atomic_write(output) as temporary:
            temporary.mkdir()
            (temporary / name).touch()
    assert [path.name for path in output.iterdir()] == ["second"]


def test_a_folder_replaces_a_link_and_not_what_it_leads_to(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "precious").touch()
    output = tmp_path / "link"
    output.symlink_to("there")
    with atomic_write(output) as temporary:
        temporary.mkdir()
    assert not output.is_symlink()
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["link", "precious", "there"]


def test_the_longest_name_is_written_and_a_longer_one_is_named(tmp_path: Path) -> None:
    save_json(tmp_path / (250 * "x" + ".json"), [1])
    with pytest.raises(PipelineError, match="the name is too long"):
        save_json(tmp_path / (251 * "x" + ".json"), [1])
    assert len(list(tmp_path.iterdir())) == 1


def test_a_file_does_not_replace_a_folder(tmp_path: Path) -> None:
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "precious").touch()
    with pytest.raises(PipelineError, match="reports is a folder"):
        save_json(tmp_path / "reports", [1])
    assert [path.name for path in tmp_path.rglob("*")] == ["reports", "precious"]


@pytest.mark.parametrize(
    ("code", "words"), [(errno.ENOSPC, "the disk is full"), (errno.EROFS, "cannot be written")]
)
def test_a_full_or_closed_disk_is_one_sentence(tmp_path: Path, code: int, words: str) -> None:
    with pytest.raises(PipelineError, match=words), atomic_write(tmp_path / "x") as temporary:
        temporary.write_text("half")
        raise OSError(code, "no")
    assert not list(tmp_path.iterdir())


def test_a_disk_that_really_fills_leaves_nothing_half_written(tmp_path: Path) -> None:
    """The kernel itself stops the write after 100 kB."""
    program = (
        "import resource, signal, sys; sys.path.insert(0, sys.argv[1])\n"
        "import numpy as np; from pathlib import Path; from pokegan.core.files import save_array\n"
        "from pokegan.core.errors import PipelineError\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "try: save_array(Path(sys.argv[2]), np.zeros(10**6))\n"
        "except PipelineError as fault: print(fault.message)\n"
    )
    output = tmp_path / "big.npy"
    save_array(output, np.arange(3))
    result = subprocess.run(
        [sys.executable, "-c", program, str(ROOT), str(output)], capture_output=True, text=True
    )
    assert "the disk is full" in result.stdout, result.stderr
    assert np.load(output).tolist() == [0, 1, 2]
    assert list(tmp_path.iterdir()) == [output]
