"""Arrays that compiled code reaches by address.

An array among the arguments of a compiled function costs each call a tenth of a microsecond, several times that when
the caches are cold: the forty arrays of one window's telemetry would take longer than all that is done with them. A
backend overwrites the same arrays in every step, so their addresses are taken once, and again only when it returns
another Telemetry.
"""

from __future__ import annotations

from collections import namedtuple
from typing import Any

import numpy as np

from octogym.cluster.telemetry import Telemetry

_INT8, _INT32, _INT64, _UINT32, _FLOAT32, _FLOAT64 = (np.dtype(x) for x in ("i1", "i4", "i8", "u4", "f4", "f8"))
#: Field of the telemetry -> type and shape (E environments, S instances, D devices, C cameras).
TELEMETRY: dict[str, tuple[np.dtype, str]] = {
    **dict.fromkeys(("t_ns", "window_ns"), (_INT64, "E")),
    **dict.fromkeys(("arrived", "executed", "completed", "on_time", "dropped_full", "dropped_late"), (_INT64, "E S")),
    **dict.fromkeys(("dropped_out", "failed", "lost", "in_stage", "local_latency_ns"), (_INT64, "E S")),
    **dict.fromkeys(("timeout_ns", "age_ns"), (_INT64, "E S")),
    "queue": (_INT32, "E S 5"),
    **dict.fromkeys(("pack", "batch", "pre", "post", "requested_pre", "requested_post"), (_INT32, "E S")),
    **dict.fromkeys(("active", "set_by", "valid"), (_INT8, "E S")),
    "present": (_INT8, "E D"),
    **dict.fromkeys(("generated", "on_time_results", "late", "dropped", "missed", "lost_results"), (_INT64, "E C")),
    **dict.fromkeys(("in_flight", "overdue"), (_INT64, "E C")),
}
#: What an environment keeps itself, the same way (K = length of the ring of arrivals; B latency bins; see `kernels`).
OWN: dict[str, tuple[np.dtype, str]] = {
    **dict.fromkeys(("set_pack", "set_batch", "set_pre", "set_post"), (_INT32, "E S")),
    **dict.fromkeys(("accepted", "sizes"), (_INT64, "S 3")),
    "thread_actions": (_INT64, "T 2"),
    "fixed": (_INT64, "S F"),
    "numbers": (_FLOAT64, "N"),
    "spans": (_INT64, "M"),
    "here": (_INT8, "E S"),
    "clock": (_INT64, "E"),
    "ring": (_INT64, "K E S"),
    "average": (_FLOAT64, "E S"),
    "last": (_FLOAT32, "E S O"),
    "leaf_sum": (_UINT32, "E B"),
    "leaf_span": (_INT64, "E S 2"),
    "reward_sum": (_FLOAT64, "E"),
}
#: Of the histogram of results: bytes from environment to environment and from instance to instance.
_HISTOGRAM = ("leaf_hist", "leaf_step_e", "leaf_step_s")
#: Numbers and, as addresses of their objects, arrays of the call to come.
_CALL = ("todo", "observation", "reward", "values", "actions", "columns", "count", "arrays", "all", "flat")
_COUNTS = ("E", "S", "D", "C", "B", "K", "M", "refresh", "array_type", "int64_type")
# Where each stands in a table.
_NAMES = (*(f"t_{name}" for name in TELEMETRY), *OWN, *_HISTOGRAM, *_COUNTS, *_CALL)
AT: Any = namedtuple("AT", _NAMES)(*range(len(_NAMES)))


_FIELDS = (*TELEMETRY, "leaf_hist")


class Addresses:
    """Addresses and sizes that `kernels.decide` and `kernels.observe` work on: `table` int64, at the address `at`, and
    `words`, which writes into it quickly.

    Args:
        counts: a number for every letter of the shapes above, and `refresh`, `array_type`, `int64_type`
            (`plain`).
        own: name in `OWN` -> array; kept alive here.
    """

    def __init__(self, counts: dict[str, int], own: dict[str, np.ndarray]) -> None:
        self.table = np.zeros(len(AT), np.int64)
        self.at, self.words = self.table.ctypes.data, self.table.data
        self._counts, self._own = counts, own
        self._bound: Telemetry | None = None
        # Alive for as long as their addresses stand in the table.
        self._arrays: list[np.ndarray] = []
        for name, (kind, shape) in OWN.items():
            self._put(name, name, own[name], kind, shape)
        for name in _COUNTS:
            self.table[getattr(AT, name)] = counts.get(name, 0)

    def __reduce_ex__(self, protocol: Any) -> Any:
        # A copy would hold the addresses of the original's arrays.
        raise TypeError("this environment cannot be copied or pickled; make another one and reset it")

    def check_bound(self) -> None:
        """ValueError if the telemetry that the table shows has another array than it had."""
        for name, array in zip(_FIELDS, self._arrays, strict=False):
            if getattr(self._bound, name) is not array:
                raise ValueError(f"telemetry.{name} is another array; allowed: to write into it, or a new Telemetry")

    def bind(self, t: Telemetry) -> None:
        """Let the table show the arrays of `t`.

        Raises:
            ValueError: one of another type or shape than documented, or not contiguous.
        """
        for name, (kind, shape) in TELEMETRY.items():
            self._put("t_" + name, "telemetry." + name, getattr(t, name), kind, shape)
        hist, first = t.leaf_hist, t.leaf_hist[:, :, :1]
        allowed = (self._counts["E"], self._counts["S"], self._counts["B"])
        if hist.dtype != np.uint32 or hist.shape != allowed or hist.strides[2] != hist.itemsize:
            raise _refused("telemetry.leaf_hist", hist, np.dtype(np.uint32), allowed)
        self.table[AT.leaf_hist : AT.leaf_step_s + 1] = first.ctypes.data, *hist.strides[:2]
        self._bound, self._arrays = t, [getattr(t, name) for name in _FIELDS]

    def _put(self, at: str, name: str, array: np.ndarray, kind: np.dtype, shape: str) -> None:
        allowed = tuple(self._counts[n] if n.isalpha() else int(n) for n in shape.split())
        if array.dtype != kind or array.shape != allowed or not array.flags.c_contiguous:
            raise _refused(name, array, kind, allowed)
        self.table[getattr(AT, at)] = array.ctypes.data


def _refused(name: str, array: np.ndarray, kind: np.dtype, shape: tuple[int, ...]) -> ValueError:
    return ValueError(
        f"{name}: {array.dtype} of shape {array.shape}, contiguous {array.flags.c_contiguous}; "
        f"allowed: {kind} of shape {shape}, contiguous"
    )
