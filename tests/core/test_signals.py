from __future__ import annotations

import os
import signal

import pytest

from pokegan.core.signals import GracefulInterrupt, leave
from stages import interruption


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_noted_and_handlers_come_back(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with GracefulInterrupt() as interrupted:
        assert not interrupted.requested
        os.kill(os.getpid(), number)
        assert interrupted.requested == number
        os.kill(os.getpid(), number)  # torchrun passing it on: the same wish
    assert signal.getsignal(number) == before


def test_a_second_ctrl_c_acts_at_once_unless_it_is_put_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interruption, "ONE_WISH", -1.0)
    with GracefulInterrupt() as interrupted:
        os.kill(os.getpid(), signal.SIGINT)
        with interrupted.deferred():
            os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_a_second_sigterm_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interruption, "ONE_WISH", -1.0)
    with GracefulInterrupt() as interrupted:
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
        assert interrupted.requested == signal.SIGTERM


def test_leaving() -> None:
    with pytest.raises(SystemExit) as left:
        leave(signal.SIGTERM)
    assert left.value.code == 143
