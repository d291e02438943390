"""Threads that run compiled code, which needs no interpreter lock, side by side."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

#: Threads of this process, by their number: a child process has none of its parent's.
_pools: dict[tuple[int, int], ThreadPoolExecutor] = {}


def allowed(threads: int) -> int:
    """`threads`, or as many as this process has cores."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(threads, cores))


def started(threads: int) -> ThreadPoolExecutor:
    """The pool of `threads - 1` threads, running. Start it early: threads stay on the cores that the one which starts
    them may use, and a caller may later tie itself to one."""
    key = os.getpid(), threads
    if key not in _pools:
        _pools[key] = ThreadPoolExecutor(threads - 1, "octogym-sim")
        for waiting in [_pools[key].submit(time.sleep, 0.001) for _ in range(threads - 1)]:
            waiting.result()
    return _pools[key]


def run_parts(call: Callable[..., int], at: int, count: int, threads: int) -> int:
    """The sum of `call(at, low, high)` over `threads` equal parts of range(count), one of them in this thread."""
    pool = started(threads)
    bounds = [count * n // threads for n in range(threads + 1)]
    others = [pool.submit(call, at, low, high) for low, high in pairwise(bounds[1:])]
    own = call(at, 0, bounds[1])
    return own + sum(other.result() for other in others)
