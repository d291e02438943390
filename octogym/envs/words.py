"""The loop of `handed`."""

from __future__ import annotations

from octogym.envs.pointers import int64


def unchanged(at, count):
    """1 if `count` words of memory are what they were, else 0; `at`: address of int64 [count, 2], each word's address
    and what it was; one is not read once one above it has changed."""
    for n in range(count):
        if int64(int64(at, 2 * n), 0) != int64(at, 2 * n + 1):
            return 0
    return 1
