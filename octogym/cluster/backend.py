"""The two protocols that meet in the middle: Backend below the environments, Policy above them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, Optional, Protocol, Sequence, Union, runtime_checkable

import numpy as np

from octogym.cluster.decision import Decision
from octogym.cluster.scenario import Scenario
from octogym.cluster.telemetry import Telemetry
from octogym.cluster.topology import Cluster

Seed = Union[None, int, Sequence[int]]


@runtime_checkable
class Backend(Protocol):
    """A simulated or real cluster. Environment e of a batch uses `seed + e`."""

    scenario: Scenario
    cluster: Cluster
    num_envs: int

    def reset(
        self, seed: Seed = None, mask: Optional[np.ndarray] = None, options: Optional[Dict[str, Any]] = None
    ) -> Telemetry:
        """Start all environments, or those with mask bool [E]; `seed=None` continues the random sequence. `options`:
        `trace_offset_s`, `overrides`. Returns the state at time 0."""

    def step(self, decision: Decision) -> Telemetry:
        """Apply `decision` and advance exactly one period."""

    def close(self) -> None: ...


@dataclass
class View:
    """What a policy sees. `due` bool [E, S]: whose turn it is; `present` bool [E, S]: whose device is there.
    `observations`: what an environment made of the telemetry, if there is one."""

    telemetry: Telemetry
    cluster: Cluster
    step: int
    due: np.ndarray
    present: np.ndarray
    backend: Optional[Backend] = None
    observations: Optional[np.ndarray] = None


@runtime_checkable
class Policy(Protocol):
    """Decides; the same object drives the simulator, a recorded run and a rack.

    `scope`: "agent" (each instance for itself) or "cluster". `period_s`: seconds between decisions. `act` returns a
    Decision that keeps whatever the policy does not set.
    """

    scope: str
    period_s: float

    def reset(self, cluster: Cluster, num_envs: int, seed: int) -> None: ...

    def act(self, view: View) -> Decision: ...

    def feedback(self, reward: np.ndarray, view: View) -> None:
        """Reward float32 [E, S] of the last action, for policies that learn on."""

    def state_dict(self) -> Dict[str, np.ndarray]: ...

    def load(self, state: Dict[str, np.ndarray]) -> None: ...
