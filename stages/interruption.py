"""SIGINT and SIGTERM, answered between two steps instead of within one."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any

ANSWERED = (signal.SIGINT, signal.SIGTERM)
ONE_WISH = 1.0  # second


class Interruption:
    """While it is entered, the first signal is noted in REQUESTED; a second Ctrl-C acts at once."""

    def __init__(self) -> None:
        self.requested = 0
        self._put_off = False
        self._noted = 0.0
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
        # torchrun passes on what a terminal or a cluster has sent to all already: that is one wish.
        again = self.requested == number and time.monotonic() - self._noted > ONE_WISH
        if again and number == signal.SIGINT and not self._put_off:
            leave(number)
        if not self.requested:
            self.requested, self._noted = number, time.monotonic()


def leave(number: int) -> None:
    """End as the signal NUMBER would have it."""
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    sys.exit(128 + number)
