"""Progress on standard error; never part of a result."""

from __future__ import annotations

import sys
from typing import Any

from tqdm import tqdm


def progress_bar(title: str, total: int, initial: int = 0) -> tqdm[Any]:
    """Return a progress bar over images; without a terminal, it prints a line every 30 s."""
    interval = 0.1 if sys.stderr.isatty() else 30
    return tqdm(
        desc=title, total=total, initial=initial, unit="picture", mininterval=interval, miniters=1
    )
