import errno
import os
import resource
import signal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pokegan.core.errors import PipelineError
from pokegan.core.files import (
    atomic_write,
    load_arrays,
    read_json,
    read_table,
    reading,
    save_array,
    save_arrays,
    save_json,
    save_table,
    scratch_folder,
)
from pokegan.report.results import read_results


def test_a_failed_write_keeps_the_former_output(tmp_path: Path) -> None:
    output = tmp_path / "deep" / "numbers.json"
    save_json(output, [1])
    with pytest.raises(KeyError), atomic_write(output) as temporary:
        temporary.write_text("[2")
        raise KeyError
    assert output.read_text() == "[\n  1\n]\n"
    assert list(output.parent.iterdir()) == [output]


def test_remains_of_killed_processes_are_removed(tmp_path: Path) -> None:
    output, dead = tmp_path / "x[1].npy", 99_999_999
    for folder in (f".x[1].npy.{dead}.partial", f".x[1].npy.{dead}.scratch.partial"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "half").write_text("")
    others = f".x[1].npy.{os.getppid()}.partial", f".y.npy.{dead}.partial"
    for name in others:
        (tmp_path / name).write_text("")
    with scratch_folder(output) as scratch:
        (scratch / "download").write_text("")
        save_array(output, np.arange(3))
        assert scratch.is_dir()
    assert {each.name for each in tmp_path.iterdir()} == {output.name, *others}
    below_a_file = output / "y"
    with pytest.raises(PipelineError, match="y cannot be written"), scratch_folder(below_a_file):
        pass


def test_a_folder_replaces_a_folder(tmp_path: Path) -> None:
    output = tmp_path / "model"
    for name in ("first", "second"):
        with atomic_write(output) as temporary:
            temporary.mkdir()
            (temporary / name).touch()
    assert [path.name for path in output.iterdir()] == ["second"]


def test_a_folder_replaces_a_link_but_not_its_target(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "precious").touch()
    output = tmp_path / "link"
    output.symlink_to("there")
    with atomic_write(output) as temporary:
        temporary.mkdir()
    assert not output.is_symlink()
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["link", "precious", "there"]


def test_the_longest_file_name_is_accepted_and_a_longer_one_refused(tmp_path: Path) -> None:
    save_json(tmp_path / (250 * "x" + ".json"), [1])
    with pytest.raises(PipelineError, match="json cannot be written .File name too long"):
        save_json(tmp_path / (251 * "x" + ".json"), [1])
    assert len(list(tmp_path.iterdir())) == 1


def test_a_file_does_not_replace_a_folder(tmp_path: Path) -> None:
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "precious").touch()
    with pytest.raises(PipelineError, match="reports is a folder"):
        save_json(tmp_path / "reports", [1])
    assert [path.name for path in tmp_path.rglob("*")] == ["reports", "precious"]


@pytest.mark.parametrize(
    ("code", "message"), [(errno.ENOSPC, "the disk is full"), (errno.EROFS, "cannot be written")]
)
def test_a_failing_disk_is_reported_in_one_sentence(
    tmp_path: Path, code: int, message: str
) -> None:
    with pytest.raises(PipelineError, match=message), atomic_write(tmp_path / "x") as temporary:
        temporary.write_text("half")
        raise OSError(code, "no")
    assert not list(tmp_path.iterdir())


def test_an_unreadable_input_is_not_reported_as_an_unwritable_output(tmp_path: Path) -> None:
    output = tmp_path / "out" / "x"
    denied = PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(tmp_path / "out" / "y"))
    with pytest.raises(PermissionError), atomic_write(output):
        raise denied
    for file in (output, output.parent):
        denied.filename = os.fsencode(file)
        with pytest.raises(PipelineError, match="x cannot be written"), atomic_write(output):
            raise denied
    with pytest.raises(PipelineError, match="x cannot be written"), atomic_write(output) as folder:
        denied.filename = str(folder / "weights")
        raise denied


def test_a_file_above_the_size_limit_leaves_the_former_output(tmp_path: Path) -> None:
    """The kernel stops the write after 100 kB."""
    output = tmp_path / "big.npy"
    save_array(output, np.arange(3))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(PipelineError, match="the disk is full"):
            save_array(output, np.zeros(10**6))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert np.load(output).tolist() == [0, 1, 2]
    assert list(tmp_path.iterdir()) == [output]


@pytest.mark.parametrize("compress", [False, True])
def test_arrays_come_back_and_give_the_same_bytes(tmp_path: Path, compress: bool) -> None:
    arrays = {"a": np.arange(6).reshape(2, 3), "b": np.float32(0.5)}
    for name in ("x.npz", "y.npz"):
        save_arrays(tmp_path / name, compress=compress, **arrays)
    assert (tmp_path / "x.npz").read_bytes() == (tmp_path / "y.npz").read_bytes()
    assert load_arrays(tmp_path / "x.npz", "a")["a"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert list(load_arrays(tmp_path / "x.npz")) == ["a", "b"]


def test_tables_come_back_with_the_requested_columns(tmp_path: Path) -> None:
    table = pd.DataFrame({"row": [0, 1], "form": [None, "alola"], "loss": [1 / 3, 2.0]})
    save_table(tmp_path / "x.csv", table, digits=3)
    assert (tmp_path / "x.csv").read_bytes() == b"row,form,loss\n0,,0.333\n1,alola,2\n"
    found = read_table(tmp_path / "x.csv", {"form": "string"})
    assert list(found) == ["form"]
    assert found["form"].isna().tolist() == [True, False]


def test_what_cannot_be_read_is_reported_in_one_sentence(tmp_path: Path) -> None:
    file = tmp_path / "x"
    readers = (read_json, read_table, load_arrays)
    for reader in readers:
        with pytest.raises(PipelineError, match=r"x is missing; run `dvc repro`"):
            reader(file)
    file.write_bytes(b"")
    for reader in readers:
        with pytest.raises(PipelineError, match=r"x cannot be read \(.+\); delete it and run"):
            reader(file)
    file.write_text("a,b\n1,2\n")
    with pytest.raises(PipelineError, match="x cannot be read .*source"):
        read_table(file, {"source": "string"})
    save_arrays(file, a=np.zeros(2))
    file.write_bytes(file.read_bytes().replace(b"NUMPY", b"NUMPX"))
    for name in ("a", "b"):
        with pytest.raises(PipelineError, match="x cannot be read"):
            load_arrays(file, name)


def test_the_missing_file_of_a_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match=r"config\.json is missing"), reading(tmp_path):
        (tmp_path / "config.json").read_text()
    with pytest.raises(PipelineError, match="KeyError: 'kind'"), reading(tmp_path):
        {}["kind"]


def test_a_file_without_permission_is_to_be_made_readable(tmp_path: Path) -> None:
    """Not deleted; and a file in a folder that cannot be searched is not missing."""
    network = tmp_path / "network"
    network.mkdir()
    (network / "run.json").write_text("{}")
    user = os.geteuid()
    network.chmod(0)
    if user == 0:  # may read everything
        os.seteuid(65534)
    try:
        with pytest.raises(PipelineError, match=r"run\.json cannot be read .*make it readable"):
            read_json(network / "run.json")
        with pytest.raises(PipelineError, match=r"run\.json cannot be read .*make it readable"):
            read_results(tmp_path, ["network"])
    finally:
        os.seteuid(user)
        network.chmod(0o755)
