"""SIGINT and SIGTERM, answered between two steps instead of within one; and an end with DVC's."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

import psutil

ANSWERED = (signal.SIGINT, signal.SIGTERM)
ONE_WISH = 1.0  # second
A_LOOK = 1.0  # second between two looks at whether DVC is still there


class GracefulInterrupt:
    """While it is entered, the first signal is noted in REQUESTED; a second Ctrl-C acts at once."""

    def __init__(self) -> None:
        self.requested = 0
        self._put_off = False
        self._noted = 0.0
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> GracefulInterrupt:
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
    def deferred(self) -> Iterator[None]:
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


@contextmanager
def terminate_with_dvc() -> Iterator[None]:
    """Within, the end of the `dvc` that started this process is a SIGTERM for this process.

    A SIGTERM or SIGKILL of `dvc` alone would leave its stage behind, unseen and on the GPU.
    """
    between = _up_to_dvc()
    over = threading.Event()

    def watch() -> None:
        while not over.wait(A_LOOK):
            if not all(map(_is_alive, between)):
                os.kill(os.getpid(), signal.SIGTERM)
                return

    if between:
        threading.Thread(target=watch, name="ends with DVC", daemon=True).start()
    try:
        yield
    finally:
        over.set()


def _is_alive(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _up_to_dvc() -> list[psutil.Process]:
    """The processes above this one (a shell, torchrun), DVC's the last; none if it is not there."""
    if "DVC_STAGE" not in os.environ:
        return []
    above: list[psutil.Process] = []
    for process in psutil.Process().parents():
        above.append(process)
        try:
            words = process.cmdline()[:3]
        except psutil.Error:
            return []
        if any(Path(word).name == "dvc" for word in words):
            return above
    return []
