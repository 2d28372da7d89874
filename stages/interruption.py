"""SIGINT and SIGTERM, answered between two steps instead of within one."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any

ANSWERED = (signal.SIGINT, signal.SIGTERM)


class Interruption:
    """While it is entered, the first signal is noted in REQUESTED; a second acts at once."""

    def __init__(self) -> None:
        self.requested = 0
        self._put_off = False
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

    @contextmanager
    def put_off(self) -> Iterator[None]:
        """Within, no signal acts: for what must not be left half done."""
        self._put_off = True
        try:
            yield
        finally:
            self._put_off = False

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.requested and not self._put_off:
            leave(number)
        self.requested = number


def leave(number: int) -> None:
    """End as the signal NUMBER would have it."""
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    sys.exit(128 + number)
