from __future__ import annotations

import threading

import pytest

from stages import teller
from stages.teller import Teller


class Listener:
    """Hears unless it is away; what it heard, and what was said of it."""

    def __init__(self) -> None:
        self.away = threading.Event()
        self.tried = threading.Semaphore(0)
        self.heard: list[int] = []
        self.said: list[tuple[str, bool]] = []

    def hear(self, word: int) -> None:
        self.tried.release()
        if self.away.is_set():
            raise ConnectionError("away")
        if word < 0:
            raise ValueError("no word")
        self.heard.append(word)

    def teller(self) -> Teller:
        return Teller(
            lambda fault: isinstance(fault, ValueError),
            lambda fault, hopeless: self.said.append((str(fault), hopeless)),
        )


@pytest.fixture
def listener(monkeypatch: pytest.MonkeyPatch) -> Listener:
    monkeypatch.setattr(teller, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(teller, "LONGEST_PAUSE", 0.02)
    return Listener()


def test_what_was_missed_is_told_in_order_and_once(listener: Listener) -> None:
    telling = listener.teller()
    telling.tell(lambda: listener.hear(0))
    telling.wait_for_the_first()
    assert listener.heard == [0]
    listener.away.set()
    for word in range(1, 6):
        telling.tell(lambda word=word: listener.hear(word))  # type: ignore[misc]
    for _ in range(5):
        assert listener.tried.acquire(timeout=10)
    assert listener.heard == [0]
    listener.away.clear()
    assert telling.close()
    assert listener.heard == [0, 1, 2, 3, 4, 5]
    assert listener.said == [("away", False)]


def test_what_is_wrong_is_left_out(listener: Listener) -> None:
    telling = listener.teller()
    for word in (1, -1, 2):
        telling.tell(lambda word=word: listener.hear(word))  # type: ignore[misc]
    assert telling.close()
    assert listener.heard == [1, 2]
    assert listener.said == [("no word", True)]


def test_the_end_does_not_wait_for_one_who_is_away(listener: Listener) -> None:
    listener.away.set()
    telling = listener.teller()
    telling.tell(lambda: listener.hear(1))
    telling.tell(lambda: listener.hear(2))
    assert not telling.close()
    assert listener.heard == []


def test_the_end_does_not_wait_for_one_who_hangs(
    listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(teller, "PATIENCE", 0.1)
    hang = threading.Event()
    telling = listener.teller()
    telling.tell(lambda: listener.hear(1))
    telling.tell(lambda: hang.wait(60) and None)
    assert not telling.close()
    assert listener.heard == [1]
    hang.set()
