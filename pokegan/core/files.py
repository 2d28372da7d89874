"""Read and write the files of the pipeline; an output is complete or does not exist.

All functions raise a `PipelineError` for what the user can fix: a missing or damaged file, a full
disk, an output that cannot be written.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import psutil

from pokegan.core.errors import PipelineError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

SHORT = 40  # characters of a name in that of a temporary file, which must not be too long
# What libraries raise for a file that is damaged or holds something else.
UNREADABLE = (
    OSError, EOFError, ValueError, LookupError, TypeError, AttributeError, BadZipFile, zlib.error
)  # fmt: skip


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Raise a one-sentence error if the block cannot read an output of the pipeline.

    The block holds all that depends on the content: a missing key or a wrong shape is reported
    like a damaged file. The path may be a folder; a `PipelineError` passes unchanged.
    """
    try:
        yield
    except FileNotFoundError as error:
        raise PipelineError(
            f"{error.filename or path} is missing; run `dvc repro`, or fetch it with `dvc pull`."
        ) from error
    except PermissionError as error:
        # Libraries in other languages set the message only.
        file, reason = error.filename or path, error.strerror or error
        raise PipelineError(f"{file} cannot be read ({reason}); make it readable.") from error
    except UNREADABLE as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise PipelineError(
            f"{path} cannot be read ({reason}); delete it and run `dvc repro`."
        ) from error


@contextmanager
def atomic_write(output: Path) -> Iterator[Path]:
    """Yield a temporary path that replaces the output when the block succeeds.

    Works for a file and for a folder that the block creates. If the block fails, the temporary
    path is removed and an earlier output remains.
    """
    temporary, former = _temporary(output), _temporary(output, ".former")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        remove_remains(output)
        yield temporary
        if output.is_dir() and not temporary.is_dir():
            raise PipelineError(
                f"{output} is a folder, but the output is a file; correct the path. "
                "Nothing was changed."
            )
        if output.is_dir():
            output.replace(former)
        temporary.replace(output)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise PipelineError(
                f"{output}: the disk is full, nothing was written; free some space and run again."
            ) from error
        # An error about another file concerns an input of the block.
        file = Path(os.fsdecode(error.filename or output))
        if not (file.is_relative_to(temporary) or output.is_relative_to(file)):
            raise
        raise _unwritable(output, error) from error
    finally:
        for remains in (temporary, former):
            _remove(remains)


@contextmanager
def scratch_folder(output: Path) -> Iterator[Path]:
    """Yield a folder beside an output for the temporary files of its stage."""
    folder = _temporary(output, ".scratch")
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise _unwritable(output, error) from error
    try:
        yield folder
    finally:
        _remove(folder)


def remove_remains(output: Path) -> None:
    """Remove what processes that were killed have left of an output."""
    for path in output.parent.glob(f".{escape(output.name[:SHORT])}.*.partial"):
        process = path.name[len(output.name[:SHORT]) + 2 :].partition(".")[0]
        if process.isdigit() and not psutil.pid_exists(int(process)):
            _remove(path)


def _unwritable(output: Path, error: OSError) -> PipelineError:
    return PipelineError(
        f"{output} cannot be written ({error.strerror}); correct the path, or make the folder "
        "writable."
    )


def _temporary(output: Path, kind: str = "") -> Path:
    """Return a path beside an output that names this process."""
    return output.with_name(f".{output.name[:SHORT]}.{os.getpid()}{kind}.partial")


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        # A read-only file system refuses to remove a file that does not exist.
        with suppress(OSError):
            path.unlink(missing_ok=True)


def save_array(output: Path, array: np.ndarray) -> None:
    """Write an uncompressed ``.npy``, which readers can memory-map."""
    import numpy as np

    array = np.ascontiguousarray(array)
    with atomic_write(output) as temporary, temporary.open("wb") as file:
        # np.save discards the errno when the disk is full.
        header = np.lib.format.header_data_from_array_1_0(array)
        np.lib.format.write_array_header_1_0(file, header)
        file.write(array.data)


def save_arrays(output: Path, /, *, compress: bool = False, **arrays: Any) -> None:
    """Write named arrays as ``.npz``; the same arrays give the same bytes."""
    import numpy as np

    with atomic_write(output) as temporary, temporary.open("wb") as file:
        (np.savez_compressed if compress else np.savez)(file, **arrays)


def load_arrays(path: Path, *names: str) -> dict[str, np.ndarray]:
    """Read the named arrays of an ``.npz``, or all arrays if no name is given."""
    import numpy as np

    with reading(path), np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in names or file.files}


def save_table(output: Path, table: pd.DataFrame, digits: int | None = None) -> None:
    """Write a table as CSV: UTF-8, Unix line ends, no index; floats with that many digits."""
    with atomic_write(output) as temporary:
        form = f"%.{digits}g" if digits else None
        table.to_csv(temporary, index=False, lineterminator="\n", float_format=form)


def read_table(path: Path, columns: Mapping[str, Any] | None = None) -> pd.DataFrame:
    """Read a CSV table; `columns` maps the columns to read to their dtypes, by default all."""
    import pandas as pd

    with reading(path):
        return pd.read_csv(path, usecols=list(columns) if columns else None, dtype=columns)


def save_json(output: Path, value: Any) -> None:
    """Write indented JSON that ends with a newline."""
    save_text(output, json.dumps(value, indent=2) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file."""
    with reading(path):
        return json.loads(path.read_text(encoding="utf-8"))


def round_sig(value: float, digits: int = 6) -> float:
    """Round to significant digits. Below 1e-12, a rounding error of the computation, to zero."""
    return round(float(f"{value:.{digits}g}"), 12)


def save_text(output: Path, text: str) -> None:
    """Write text in UTF-8."""
    with atomic_write(output) as temporary:
        temporary.write_text(text, encoding="utf-8")
