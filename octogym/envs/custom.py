"""Rewards and observations of the user's own."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy

import numpy as np
from gymnasium import spaces

from octogym.cluster.telemetry import Telemetry

#: (telemetry, rate [E, S] in requests/s, present bool [E, S]) -> float32 [E, S]; `FcpoReward` is one.
Reward = Callable[[Telemetry, np.ndarray, np.ndarray], np.ndarray]
#: (default observation [E, S, 8], telemetry, rate, present) -> float32 [E, S, *shape].
Observation = Callable[[np.ndarray, Telemetry, np.ndarray, np.ndarray], np.ndarray]


def _checked(name: str, value: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    array = np.array(value, np.float32)
    if array.shape != shape:
        raise ValueError(f"{name}= returned shape {array.shape}; allowed: {shape}")
    if not np.isfinite(array).all():
        where = ", ".join(str(int(i)) for i in np.argwhere(~np.isfinite(array))[0])
        raise ValueError(f"{name}= returned {array[~np.isfinite(array)][0]} at [{where}]; allowed: finite numbers")
    return array


class CustomReward:
    """A user's reward, checked for shape and finite numbers."""

    def __init__(self, function: Reward) -> None:
        if not callable(function):
            raise ValueError(
                f"reward = {function!r}; allowed: a callable (telemetry, rate, present) -> [E, S], or None"
            )
        self._function = function

    def __call__(self, telemetry: Telemetry, rate: np.ndarray, present: np.ndarray) -> np.ndarray:
        return _checked("reward", self._function(telemetry, rate, present), present.shape)


class CustomObservation:
    """A user's observation in a space of its own; an instance without fresh telemetry keeps its last one."""

    def __init__(self, function: Observation, space: spaces.Box | None) -> None:
        if not isinstance(space, spaces.Box) or space.dtype != np.float32:
            raise ValueError(
                f"observation_space = {space!r}; allowed: the gymnasium.spaces.Box (float32) of what observation= "
                "returns for one agent"
            )
        self._function, self._space = function, space
        self._last: np.ndarray | None = None

    @property
    def last(self) -> np.ndarray:
        """The last observations, float32 [E, S, *shape]; not what was handed out."""
        assert self._last is not None
        return self._last

    def new_space(self) -> spaces.Box:
        return deepcopy(self._space)

    def __call__(
        self, default: np.ndarray, telemetry: Telemetry, rate: np.ndarray, present: np.ndarray, update: np.ndarray
    ) -> np.ndarray:
        """float32 [E, S, *shape], a new array; `update` bool [E, S]: whose observation is new."""
        shape = (*present.shape, *self._space.shape)
        value = _checked("observation", self._function(default, telemetry, rate, present), shape)
        if self._last is not None:
            value = np.where(update.reshape(update.shape + (1,) * len(self._space.shape)), value, self._last)
        self._last = value.copy()
        return value
