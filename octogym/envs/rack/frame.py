"""What one step of both problems left, kept for as long as somebody holds an info."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from octogym.envs.frame import CLUSTER, Frame
from octogym.envs.lazy import LazyDict
from octogym.envs.offload.frame import AGENT

#: Infos about where the offloading agents stand between two decisions.
TURN = ("due", "wait_s", "since_s", "interrupted", "team_reward")
KEYS = dict.fromkeys((*CLUSTER, *TURN, *AGENT))


@dataclass
class RackFrame:
    """Arrays of its own that no later step touches.

    `batching`: the half of all instances. Of the N offloading agents: `observation` float32 [N, O], `reward` float32
    [N], `values` [1, N, ...] by info key, `turn` by info key (the same for all); `parts`: the state by name.
    """

    batching: Frame
    observation: np.ndarray
    reward: np.ndarray
    values: dict[str, np.ndarray]
    turn: dict[str, Any]
    parts: dict[str, np.ndarray]

    @property
    def over(self) -> bool:
        return self.batching.truncated is not None

    def instance_info(self, s: int) -> LazyDict:
        """The info of instance s's agent."""
        info = LazyDict.of(self.batching, s)
        info["due"] = True
        return info

    def device_info(self, n: int) -> LazyDict:
        """The info of offloading agent n."""
        return LazyDict.of(self, n)

    # --- as the source of an offloading agent's info (row = n) ------------------------------------------------------
    def names(self, row: int) -> Mapping[str, Any]:
        return {**KEYS, "figures": None} if self.batching.figures else KEYS

    def start(self, row: int) -> tuple[str, Any]:
        return "t_s", self.batching.times()[0]

    def value(self, key: str, row: int) -> Any:
        if key in CLUSTER or key == "figures":
            return self.batching.value(key, 0)
        if key in self.turn:
            return self.turn[key]
        value = self.values[key][0, row, ...]  # an array, also of one
        return value.copy() if value.ndim else value.item()
