import os
import signal

import pytest

from pokegan.core import signals
from pokegan.core.signals import GracefulInterrupt, exit_by_signal


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_stored_and_the_handlers_are_restored(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with GracefulInterrupt() as interrupt:
        assert not interrupt.requested
        os.kill(os.getpid(), number)
        assert interrupt.requested == number
        os.kill(os.getpid(), number)  # as forwarded by torchrun: a duplicate
    assert signal.getsignal(number) == before


def test_a_second_ctrl_c_interrupts_at_once_unless_deferred(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(signals, "DUPLICATE_WINDOW", -1.0)
    with GracefulInterrupt() as interrupt:
        os.kill(os.getpid(), signal.SIGINT)
        with interrupt.deferred():
            os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_a_second_sigterm_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signals, "DUPLICATE_WINDOW", -1.0)
    with GracefulInterrupt() as interrupt:
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
        assert interrupt.requested == signal.SIGTERM


def test_the_exit_status_names_the_signal() -> None:
    with pytest.raises(SystemExit) as exited:
        exit_by_signal(signal.SIGTERM)
    assert exited.value.code == 143
