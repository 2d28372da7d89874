"""Handle SIGINT and SIGTERM between two training steps, and terminate a stage with its `dvc`."""

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn, Self

import psutil

SIGNALS = (signal.SIGINT, signal.SIGTERM)
DUPLICATE_WINDOW = 1.0  # seconds within which a repeated signal counts as the same one
POLL_INTERVAL = 1.0  # seconds between two checks whether DVC is alive


class GracefulInterrupt:
    """Context manager that stores the first SIGINT or SIGTERM instead of acting on it.

    A second Ctrl-C interrupts at once, except inside `deferred`.

    Attributes:
        requested: number of the signal received, or 0.
    """

    def __init__(self) -> None:
        self.requested = 0
        self._received_at = 0.0
        self._deferred = False
        self._previous: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        self._previous = {each: signal.signal(each, self._handle) for each in SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for each, handler in self._previous.items():
            signal.signal(each, handler)

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Ignore a second Ctrl-C inside the block, which must run to its end."""
        self._deferred = True
        try:
            yield
        finally:
            self._deferred = False

    def _handle(self, number: int, frame: FrameType | None) -> None:
        # torchrun forwards a signal that the terminal or cluster also sends to every process.
        repeated = time.monotonic() - self._received_at > DUPLICATE_WINDOW
        if self.requested == number == signal.SIGINT and repeated and not self._deferred:
            exit_by_signal(number)
        if not self.requested:
            self.requested, self._received_at = number, time.monotonic()


def exit_by_signal(number: int) -> NoReturn:
    """Raise what Python raises on SIGINT; on another signal, exit with status 128 + number."""
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    sys.exit(128 + number)


@contextmanager
def terminate_with_dvc() -> Iterator[None]:
    """Send SIGTERM to this process when the `dvc` process that started it ends.

    Otherwise a stage would survive a SIGTERM or SIGKILL of `dvc`, unnoticed and on the GPU.
    """
    ancestors = _ancestors_up_to_dvc()
    finished = threading.Event()

    def poll() -> None:
        while not finished.wait(POLL_INTERVAL):
            if not all(map(_is_alive, ancestors)):
                os.kill(os.getpid(), signal.SIGTERM)
                return

    if ancestors:
        threading.Thread(target=poll, name="terminate with DVC", daemon=True).start()
    try:
        yield
    finally:
        finished.set()


def _is_alive(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    return False


def _ancestors_up_to_dvc() -> list[psutil.Process]:
    """Return the ancestors of this process (shell, torchrun) up to `dvc`; [] outside of DVC."""
    if "DVC_STAGE" not in os.environ:
        return []
    ancestors: list[psutil.Process] = []
    for process in psutil.Process().parents():
        ancestors.append(process)
        try:
            command = process.cmdline()[:3]
        except psutil.Error:
            return []
        if any(Path(word).name == "dvc" for word in command):
            return ancestors
    return []
