"""What `reset(options=...)` and `randomise=` accept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from octogym.cluster.backend import Seed
from octogym.cluster.draws import PROGRAMME, uniform_of

OPTIONS = ("trace_offset_s", "overrides")
#: `pettingzoo.test.parallel_api_test` and `api_test` reset with these options and expect them to be accepted.
_PETTINGZOO_PROBE = {"options": 1}


def check_options(options: Mapping[str, Any] | None) -> dict[str, Any]:
    """A copy of the options that a backend knows.

    Raises:
        ValueError: one that is not known, naming it.
    """
    if not options or dict(options) == _PETTINGZOO_PROBE:
        return {}
    for key in options:
        if key not in OPTIONS:
            raise ValueError(f"reset option {key!r}; allowed: {', '.join(map(repr, OPTIONS))}")
    return dict(options)


class Randomiser:
    """Draws keys of the load programme anew for every episode of every environment.

    Args:
        ranges: programme key -> (low, high), from which a number is drawn uniformly, or a list of values, one of
            which is.
        num_envs: E.

    Environment e's draws depend on its seed (`seed + e`) and on how many episodes it has begun since, on nothing else.
    """

    def __init__(self, ranges: Mapping[str, Any], num_envs: int) -> None:
        for key, value in ranges.items():
            pair = isinstance(value, tuple) and len(value) == 2 and all(isinstance(x, (int, float)) for x in value)
            if not (pair and value[0] <= value[1]) and not (isinstance(value, list) and value):
                raise ValueError(
                    f"randomise[{key!r}] = {value!r}; allowed: a tuple (low, high), or a list of values to choose from"
                )
        self._ranges = dict(ranges)
        self._seed, self._episode = list(range(num_envs)), [0] * num_envs

    def draw(
        self, seed: Seed, mask: np.ndarray, options: Mapping[str, Any]
    ) -> Iterator[tuple[np.ndarray, dict[str, Any]]]:
        """(mask of one environment alone, its options) for each of `mask` bool [E]; explicit overrides win."""
        for e in np.nonzero(mask)[0].tolist():
            if seed is not None:
                self._seed[e] = int(seed) + e if isinstance(seed, (int, np.integer)) else int(seed[e])
                self._episode[e] = 0
            drawn = {key: self._value(e, n, key) for n, key in enumerate(self._ranges)}
            self._episode[e] += 1
            one = np.zeros(len(mask), bool)
            one[e] = True
            yield one, {**options, "overrides": {**drawn, **options.get("overrides", {})}}

    def _value(self, e: int, n: int, key: str) -> Any:
        # The stream is the load programme's; 1 << 32 keeps these draws apart from its own.
        u = uniform_of(self._seed[e], int(PROGRAMME), (1 << 32) + n, self._episode[e])
        wanted = self._ranges[key]
        if isinstance(wanted, list):
            return wanted[int(u * len(wanted))]
        return wanted[0] + u * (wanted[1] - wanted[0])
