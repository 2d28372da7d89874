"""Outputs are whole or not there: written under a temporary name, then renamed."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pokegan.core.errors import PipelineError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


@contextmanager
def atomic_write(output: Path) -> Iterator[Path]:
    """Yield a temporary path beside OUTPUT that becomes OUTPUT when the block succeeds.

    Works for a file and for a folder that the block creates. If the block fails, nothing
    is left behind and an earlier OUTPUT stays as it was.

    Raises:
        PipelineError: the disk is full or the place cannot be written.
    """
    short = output.name[:40]  # no longer than the name itself may be
    temporary = output.with_name(f".{short}.{os.getpid()}.partial")
    former = output.with_name(f".{short}.{os.getpid()}.former.partial")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        if output.is_dir() and not temporary.is_dir():
            raise PipelineError(
                f"{output} is a folder, but a file is to be written there; "
                "correct the path, nothing was changed."
            )
        if output.is_dir():
            output.replace(former)
        temporary.replace(output)
    except OSError as fault:
        if fault.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise PipelineError(
                f"{output}: the disk is full, nothing was written; free some space and run again."
            ) from fault
        if fault.errno in (errno.EACCES, errno.EROFS, errno.EPERM):
            raise PipelineError(
                f"{output}: cannot be written ({fault.strerror}); "
                "make the folder writable and run again."
            ) from fault
        if fault.errno == errno.ENAMETOOLONG:
            raise PipelineError(f"{output}: the name is too long; shorten it.") from fault
        raise
    finally:
        for remains in (temporary, former):
            if remains.is_dir() and not remains.is_symlink():
                shutil.rmtree(remains)
            else:
                remains.unlink(missing_ok=True)


def save_array(output: Path, array: np.ndarray) -> None:
    """Write ARRAY as an uncompressed ``.npy``, so that readers can memory-map it."""
    import numpy as np

    array = np.ascontiguousarray(array)
    with atomic_write(output) as temporary, temporary.open("wb") as file:
        # np.save would lose the reason when the disk fills.
        header = np.lib.format.header_data_from_array_1_0(array)
        np.lib.format.write_array_header_1_0(file, header)
        file.write(array.data)


def save_table(output: Path, table: pd.DataFrame, digits: int | None = None) -> None:
    """Write TABLE as CSV: UTF-8, Unix line ends, no index; numbers with DIGITS significant ones."""
    with atomic_write(output) as temporary:
        shape = f"%.{digits}g" if digits else None
        table.to_csv(temporary, index=False, lineterminator="\n", float_format=shape)


def save_json(output: Path, value: Any) -> None:
    """Write VALUE as indented JSON that ends with a newline."""
    with atomic_write(output) as temporary:
        temporary.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def round_sig(value: float, digits: int = 6) -> float:
    """Round to significant digits. Below 1e-12, a rounding error of the computation, to zero."""
    return round(float(f"{value:.{digits}g}"), 12)


def save_text(output: Path, text: str) -> None:
    """Write TEXT in UTF-8."""
    with atomic_write(output) as temporary:
        temporary.write_text(text, encoding="utf-8")
