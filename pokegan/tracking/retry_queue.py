"""Tells a listener that may be away: in order, in a thread of its own, nothing twice or forgotten.

The one who tells never waits: a listener that hangs for a minute must not cost a GPU a minute.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue

Action = Callable[[], None]

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0  # seconds between two attempts
PATIENCE = 30.0  # seconds without anything told, after which the end waits no longer


class Teller:
    """Does actions one after another; one that fails for a passing reason is tried again.

    IS_HOPELESS says of a fault that trying again is no use: that action is left out. SAY is told,
    once an outage, that something fails, and of each action that is left out.
    """

    def __init__(
        self,
        is_permanent_error: Callable[[Exception], bool],
        say: Callable[[Exception, bool], None],
    ) -> None:
        self._is_hopeless = is_permanent_error
        self._say = say
        self._actions: SimpleQueue[Action | None] = SimpleQueue()
        self._attempted = threading.Event()
        self._closing = threading.Event()
        self._done = 0
        self._complete = False
        self._thread = threading.Thread(target=self._work, name="teller", daemon=True)
        self._thread.start()

    @property
    def is_closing(self) -> bool:
        """Whether the end has come, and each action is tried just once more."""
        return self._closing.is_set()

    def tell(self, action: Action) -> None:
        """Have ACTION done after all that were told before."""
        self._actions.put(action)

    def wait_for_the_first(self) -> None:
        """Return when the first action was tried once."""
        self._attempted.wait(PATIENCE)

    def close(self) -> bool:
        """Have the rest done; False if that cannot be: no outage is waited for any more."""
        self._closing.set()
        self._actions.put(None)
        done = -1
        while self._thread.is_alive() and self._done > done:
            done = self._done
            self._thread.join(PATIENCE)
        return self._complete

    def _work(self) -> None:
        while action := self._actions.get():
            if not self._do(action):
                return
            self._done += 1
        self._complete = True

    def _do(self, action: Action) -> bool:
        """False if ACTION could not be done before the end came."""
        pause, silent = FIRST_PAUSE, False
        while True:
            last = self._closing.is_set()
            try:
                action()
                return True
            except Exception as fault:  # the listener's faults are many
                hopeless = self._is_hopeless(fault)
                if last and not hopeless:
                    return False
                if hopeless or not silent:
                    with suppress(Exception):  # nobody may be there to read it
                        self._say(fault, hopeless)
                if hopeless:
                    return True
                silent = True
            finally:
                self._attempted.set()
            self._closing.wait(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
