"""How long a decision stays in force on a node that hears no other (contract.md 2)."""

from __future__ import annotations

from typing import Tuple

import numpy as np

from octogym.bridge.protocol.clock import NEVER
from octogym.bridge.protocol.deployment import Deployment
from octogym.bridge.protocol.rows import DecisionRows
from octogym.cluster.settings import KEEP_SHARE


class Validity:
    """Ends of validity on the node's clock, per instance and per route; each ends once."""

    def __init__(self, deployment: Deployment) -> None:
        self._settings_ns = (1 + deployment.settings_validity) * deployment.period_ns
        self._shares_ns = (1 + deployment.share_validity) * deployment.period_ns
        self._instances = np.full(len(deployment.instances), NEVER, np.int64)
        self._routes = np.full(len(deployment.routes), NEVER, np.int64)
        self.next_ns = NEVER

    def begin(self, before_ns: int) -> None:
        """What is in force counts as stated for the window that begins at `before_ns`."""
        self._instances[:] = before_ns + self._settings_ns
        self._routes[:] = before_ns + self._shares_ns
        self._least()

    def state(self, rows: DecisionRows, begins_ns: int) -> None:
        """`rows` was applied in the window that began at `begins_ns`."""
        self._instances[rows.stated()] = begins_ns + self._settings_ns
        self._routes[rows.share_milli != KEEP_SHARE] = begins_ns + self._shares_ns
        self._least()

    def end(self, now_ns: int) -> Tuple[np.ndarray, np.ndarray]:
        """bool [S] and bool [R]: what expires now."""
        instances, routes = self._instances <= now_ns, self._routes <= now_ns
        self._instances[instances] = NEVER
        self._routes[routes] = NEVER
        self._least()
        return instances, routes

    def forget(self) -> None:
        """Nothing is in force that could expire."""
        self._instances[:] = self._routes[:] = NEVER
        self._least()

    def _least(self) -> None:
        ends = [int(array.min()) for array in (self._instances, self._routes) if array.size]
        self.next_ns = min(ends, default=NEVER)
