"""The draws of `octogym.cluster.draws` for Python integers; `test_reference.py` compares the two."""

from __future__ import annotations

WORD = (1 << 64) - 1


def fold(key: int, *words: int) -> int:
    """The key after `words` are appended to `key` one by one."""
    for word in words:
        z = (key + 0x9E3779B97F4A7C15 * (int(word) + 1)) & WORD
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & WORD
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & WORD
        key = z ^ (z >> 31)
    return key


def uniform(key: int) -> float:
    """A number in [0, 1) for `key`."""
    return (key >> 11) / 2**53
