"""Signals that stop training."""

from __future__ import annotations

import signal
import threading

import pytest

from octogym.train.stopping import Stopping


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_only_asks(number):
    before = signal.getsignal(number)
    with Stopping() as stopping:
        assert not stopping.asked
        signal.raise_signal(number)
        assert stopping.asked
    assert signal.getsignal(number) is before


def test_a_second_ctrl_c_interrupts_at_once():
    before = signal.getsignal(signal.SIGINT)  # a process in the background ignores it
    with pytest.raises(KeyboardInterrupt), Stopping():
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_another_thread_leaves_signals_alone():
    found = []

    def enter():
        with Stopping() as stopping:
            found.append((signal.getsignal(signal.SIGINT), stopping.asked))

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert found == [(signal.getsignal(signal.SIGINT), False)]
