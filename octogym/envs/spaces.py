"""Spaces of the batching problem, and what is said about an action outside of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from gymnasium import spaces

from octogym.cluster.topology import Cluster
from octogym.envs.columns import OBSERVATION, RATE_CAP, SLO_CAP

#: The heads of an action, in order.
HEADS = ("pack", "batch", "threads")
_HIGH = (1.0, 1.0, 1.0, RATE_CAP, 1.0, 1.0, 1.0, SLO_CAP)


def action_sizes(cluster: Cluster) -> np.ndarray:
    """int64 [S, 3]: sizes (R, B, M) of every instance's action."""
    return np.array([instance.action_sizes for instance in cluster.instances], np.int64).reshape(-1, 3)


def accepted_sizes(cluster: Cluster, homogeneous: bool) -> np.ndarray:
    """int64 [S, 3]: sizes of every agent's action space; the largest of the scenario for all if `homogeneous`."""
    sizes = action_sizes(cluster)
    return np.broadcast_to(sizes.max(0), sizes.shape).copy() if homogeneous else sizes


def observation_space() -> spaces.Box:
    """A new space of FCPO's eight values, float32 [8]."""
    return spaces.Box(np.zeros(OBSERVATION, np.float32), np.array(_HIGH, np.float32), (OBSERVATION,), np.float32)


def stacked(space: spaces.Box, count: int) -> spaces.Box:
    """The flat Box of `count` observations of `space`, one after the other."""
    return spaces.Box(np.tile(space.low.ravel(), count), np.tile(space.high.ravel(), count), dtype=np.float32)


def joined(*boxes: spaces.Box) -> spaces.Box:
    """The flat Box of the values of `boxes`, one after the other."""
    low, high = ([getattr(box, end).ravel() for box in boxes] for end in ("low", "high"))
    return spaces.Box(np.concatenate(low), np.concatenate(high), dtype=np.float32)


def with_devices(space: spaces.Box, count: int, devices: int) -> spaces.Box:
    """`stacked`, then one value from 0 to 1 per device."""
    return joined(stacked(space, count), spaces.Box(0.0, 1.0, (devices,), np.float32))


def action_masks(sizes: np.ndarray, accepted: np.ndarray) -> tuple[np.ndarray, ...]:
    """One int8 array per head, 1 where the instance has that index: what `MultiDiscrete.sample(mask)` takes."""
    return tuple((np.arange(n) < size).astype(np.int8) for size, n in zip(sizes, accepted, strict=True))


def rows_of(actions: Mapping[str, Any], agents: Sequence[str], accepted: np.ndarray) -> np.ndarray:
    """int64 [A * 3]: the actions of `agents`, one after the other; `accepted` int64 [A, 3] their sizes.

    Raises:
        ValueError: wrong shape or type, naming the agent.
    """
    rows = np.zeros((len(agents), 3), np.int64)
    for a, agent in enumerate(agents):
        value = np.asarray(actions[agent])
        if value.shape != (3,) or value.dtype.kind not in "iu":
            raise bad_action(agent, actions[agent], accepted[a])
        rows[a] = value
    return rows.reshape(-1)


def bad_action(agent: str, value: Any, sizes: np.ndarray) -> ValueError:
    """The error for one agent's action that is out of range or of the wrong shape or type."""
    allowed = ", ".join(f"{head} 0 to {size - 1}" for head, size in zip(HEADS, sizes, strict=True))
    return ValueError(f"action of {agent!r} = {value!r}; allowed: 3 integers, {allowed}")
