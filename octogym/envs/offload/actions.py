"""An agent's action: a number from -1 to 1 for each of its targets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium import spaces

from octogym.cluster.offloading.layout import OffloadLayout


def weights(actions: Any, layout: OffloadLayout, num_envs: int) -> np.ndarray:
    """float64 [E, N, T] in [0, 1]: (a + 1) / 2 of actions [E, N, T].

    Raises:
        ValueError: wrong shape or type, or a value outside -1 to 1, naming the agent.
    """
    values, shape = np.asarray(actions), (num_envs, layout.N, layout.T)
    if values.shape != shape or values.dtype.kind not in "fiu":
        raise ValueError(f"actions: {values.dtype} of shape {values.shape}; allowed: numbers of shape {shape}")
    good = (values >= -1) & (values <= 1)
    if not good.all():
        e, n, _ = (int(x[0]) for x in np.nonzero(~good))
        where = layout.agents[n] + (f" of environment {e}" if num_envs > 1 else "")
        raise bad_action(where, values[e, n].tolist(), layout.T)
    return (values.astype(np.float64) + 1) / 2


def table_of(actions: Mapping[str, Any], layout: OffloadLayout) -> np.ndarray:
    """float64 [1, N, T]: every agent's action.

    Raises:
        ValueError: wrong shape or type, naming the agent.
    """
    table = np.empty((1, layout.N, layout.T))
    for n, agent in enumerate(layout.agents):
        value = np.asarray(actions[agent])
        if value.shape != (layout.T,) or value.dtype.kind not in "fiu":
            raise bad_action(agent, actions[agent], layout.T)
        table[0, n] = value
    return table


def bad_action(agent: str, value: Any, size: int) -> ValueError:
    return ValueError(f"action of {agent!r} = {value!r}; allowed: {size} numbers from -1 to 1")


def action_space(layout: OffloadLayout, agents: int = 1) -> spaces.Box:
    """A new space of the actions of `agents`, one after the other."""
    return spaces.Box(-1.0, 1.0, (agents * layout.T,), np.float32)
