"""The backend's arrays as the kernel finds them: a table of their addresses and row lengths.

As arguments of their own these arrays would cost each call a quarter of a microsecond apiece.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from octogym.cluster.decision import Decision

#: Arrays [E, words] of the simulation itself, each with its row's length as `<name>_words`.
_STATE = ("m", "cells", "tab", "plan", "hist", "log")
#: What a step writes, in the order of `Buffers.out`.
_OUT = (
    *("counts", "settings", "queue", "flags", "shares", "cameras", "present", "gpu_busy", "cpu", "links", "times"),
    "age",
)
_NAMES = (*_STATE, *(f"{name}_words" for name in _STATE), *(f"out_{name}" for name in _OUT), *Decision.FIELDS)
#: `todo` [E]: the status of each environment; `on`: only those are advanced whose status is to be resolved, not all.
_CALL = ("todo", "on", "E", "each", "each_argument")
#: Where each stands in a table.
AT: Any = namedtuple("AT", (*_NAMES, *_CALL))(*range(len(_NAMES) + len(_CALL)))
_FIRST = AT[_NAMES.index(Decision.FIELDS[0])]


class Addresses:
    """`table` int64, at the address `at`; what stands in it is kept alive here.

    Args:
        todo: int64 [E].
        out: arrays of `Buffers.out`.
        decision: one of the right types and shapes.
    """

    def __init__(self, todo: np.ndarray, out: Sequence[np.ndarray], decision: Decision) -> None:
        self.table = np.zeros(len(AT), np.int64)
        self.at = self.table.ctypes.data
        self._fixed = (todo, *out)
        self._state: tuple[np.ndarray, ...] = ()
        like = [getattr(decision, name) for name in Decision.FIELDS]
        self._kinds, self._shapes = [array.dtype for array in like], [array.shape for array in like]
        self._shown: list[np.ndarray | None] = [None] * len(like)
        self._words = self.table.data
        self.table[[AT.todo, AT.E]] = todo.ctypes.data, len(todo)
        for name, array in zip(_OUT, out, strict=True):
            self.table[getattr(AT, "out_" + name)] = array.ctypes.data

    def bind(self, *state: np.ndarray) -> None:
        """Show these arrays m, cells, tab, plan, hist, log."""
        for name, array in zip(_STATE, state, strict=True):
            assert array.flags.c_contiguous
            self.table[getattr(AT, name)] = array.ctypes.data
            self.table[getattr(AT, name + "_words")] = array.shape[1]
        self._state = state

    def call_each(self, function: int, argument: int) -> None:
        """Let the kernel call what is compiled at the address `function` with `argument` and the number of every
        environment that has finished its window; 0, 0: nothing."""
        self._words[AT.each], self._words[AT.each_argument] = function, argument

    @contextmanager
    def going_on(self) -> Iterator[None]:
        """Within it the kernel goes on with the environments that it has not finished."""
        self._words[AT.on] = 1
        try:
            yield
        finally:
            self._words[AT.on] = 0

    def decide(self, decision: Decision) -> None:
        """Show a decision's arrays: the addresses of their objects.

        Raises:
            ValueError: one of another shape, or of a type that does not fit.
        """
        active, pack, batch, pre, post, timeout_ns, share_milli = self._shown
        if (
            decision.active is active
            and decision.pack is pack
            and decision.batch is batch
            and decision.pre is pre
            and decision.post is post
            and decision.timeout_ns is timeout_ns
            and decision.share_milli is share_milli
        ):
            return
        for n, name in enumerate(Decision.FIELDS):
            array = getattr(decision, name)
            if array is self._shown[n]:
                continue
            if array.dtype is not self._kinds[n] or array.shape != self._shapes[n] or not array.flags.c_contiguous:
                array = self._usable(n, array)
            self._words[_FIRST + n] = id(array)
            self._shown[n] = array

    def _usable(self, n: int, array: np.ndarray) -> np.ndarray:
        kind, shape = self._kinds[n], self._shapes[n]
        if array.shape != shape or not np.can_cast(array.dtype, kind, "same_kind"):
            name = Decision.FIELDS[n]
            raise ValueError(f"decision.{name}: {array.dtype} of shape {array.shape}; allowed: {kind} of shape {shape}")
        return np.array(array, kind, order="C")
