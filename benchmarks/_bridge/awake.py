"""Cores while something is timed: that they do not fall asleep, and how much of them went to other machines."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def cores_awake() -> Iterator[None]:
    """A process on each core that runs only while nothing else wants to (SCHED_IDLE).

    As measurements of latency switch sleep states of processors off: on a virtual machine a core that sleeps is given
    to others, and how soon it comes back is their affair.
    """
    spawn = multiprocessing.get_context("spawn")
    spinning = [spawn.Process(target=_spin, args=(core,), daemon=True) for core in sorted(os.sched_getaffinity(0))]
    for process in spinning:
        process.start()
    try:
        yield
    finally:
        for process in spinning:
            process.terminate()
            process.join()


def stolen_s() -> float | None:
    """Seconds since the start that this machine's cores wanted to run and another machine ran instead, all cores
    together; None where the system does not say."""
    try:
        with open("/proc/stat") as file:
            return int(file.readline().split()[8]) / os.sysconf("SC_CLK_TCK")
    except (OSError, IndexError, ValueError):
        return None


def _spin(core: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.sched_setaffinity(0, {core})
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    parent = os.getppid()
    while os.getppid() == parent:
        pass
