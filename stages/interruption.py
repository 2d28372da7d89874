"""SIGINT and SIGTERM, answered between two steps instead of within one."""

from __future__ import annotations

import signal
import sys
from types import FrameType, TracebackType
from typing import Any

ANSWERED = (signal.SIGINT, signal.SIGTERM)


class Interruption:
    """While it is entered, the first signal is noted in REQUESTED; a second acts at once."""

    def __init__(self) -> None:
        self.requested = 0
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Interruption:
        self._before = {each: signal.signal(each, self._note) for each in ANSWERED}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for each, handler in self._before.items():
            signal.signal(each, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            leave(number)
        self.requested = number


def leave(number: int) -> None:
    """End as the signal NUMBER would have it."""
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    sys.exit(128 + number)
