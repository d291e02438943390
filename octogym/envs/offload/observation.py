"""Spaces of what `octogym.cluster.offloading.observation` makes."""

from __future__ import annotations

import numpy as np
from gymnasium import spaces

from octogym.cluster.offloading.layout import OffloadLayout
from octogym.cluster.offloading.observation import LINK_HIGH, TARGET_HIGH
from octogym.cluster.offloading.signals import LOAD_CAP


def observation_space(layout: OffloadLayout, history: int) -> spaces.Box:
    """A new space of one agent's observation."""
    high = [LOAD_CAP] * history + list(LINK_HIGH) + list(TARGET_HIGH) * layout.T
    return spaces.Box(np.zeros(len(high), np.float32), np.array(high, np.float32), dtype=np.float32)


def state_space(layout: OffloadLayout, history: int) -> spaces.Box:
    """A new space of `state()`: the parts in order, flattened."""
    N, M, T = layout.N, layout.M, layout.T
    sizes = [(N * history, LOAD_CAP), (3 * N * M, 1.0), (M, LOAD_CAP), (M + N * T + M, 1.0)]
    high = np.concatenate([np.full(size, top, np.float32) for size, top in sizes])
    return spaces.Box(np.zeros_like(high), high, dtype=np.float32)
