"""A device of a simulated rack: what the node's session asks of a device, answered by the world."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np

from octogym.bridge.protocol.deployment import Deployment
from octogym.bridge.protocol.errors import DeployError
from octogym.bridge.protocol.messages import Peer
from octogym.bridge.protocol.observations import ObsRows
from octogym.bridge.protocol.rows import COUNTERS, FLAGS, HELD, RESULTS, STATE, DecisionRows
from octogym.cluster.settings import KEEP
from octogym.cluster.telemetry import BY_AGENT, BY_HOST
from octogym.rack.world import World


class SimNode:
    """`NodeHost` over one device of a `World`.

    Settings and shares that expire are left to the simulator, whose rule of validity is the node's own.
    """

    def __init__(self, world: World, device: str) -> None:
        self.world, self.device = world, device
        #: Seed of a reset that has been asked for; whoever owns the session calls `begin`.
        self.asked: int | None = None
        self._deployment: Deployment | None = None
        self._rows: ObsRows | None = None
        self._base: ObsRows | None = None
        # The window whose end `_rows` shows.
        self._shown: int | None = None
        # What the agents have decided for the window that runs, and whose settings are theirs.
        self._own: DecisionRows | None = None
        self._by_agent: np.ndarray | None = None

    def deploy(self, deployment: Deployment) -> bool:
        known = [instance.id for instance in self.world.cluster.instances]
        for spec in deployment.instances:
            if not 0 <= spec.index < len(known) or known[spec.index] != spec.id:
                raise DeployError("placement", f"{spec.id} is not in {self.world.scenario.name}, which runs here")
        if deployment.device != self.device:
            raise DeployError("device", f"a deployment of {deployment.device}; this is {self.device}")
        self._deployment, self._rows, self._base = deployment, ObsRows.zeros(deployment), None
        self._shown = self._own = self._by_agent = None
        return True

    def peers(self, peers: Sequence[Peer]) -> None:
        """Requests cross between devices within the simulator."""

    def reset(self, seed: int) -> None:
        self.asked = seed

    def begin(self, episode: Hashable, seed: int) -> None:
        """The episode that `reset` asked for. Where it runs already this node is new in it, and counts from zero."""
        assert self._deployment is not None
        self.asked = self._shown = self._own = self._by_agent = None
        self.world.reset(episode, seed)
        base = ObsRows.zeros(self._deployment)
        self.world.read(self._deployment, base)
        # What the device holds now has come to the new process, whose predecessor's it was and is lost with it.
        base.counters[COUNTERS.index("arrived")] -= base.state[STATE.index("in_stage")]
        base.results[RESULTS.index("generated")] -= base.held[HELD.index("in_flight")]
        self._base = base

    @property
    def present(self) -> bool:
        """Whether the scenario has the device there."""
        return self.world.present(self.device)

    def apply(self, rows: DecisionRows, window: int) -> None:
        assert self._deployment is not None
        if self._own is not None and self._by_agent is not None:
            self._by_agent &= ~rows.stated()
            rows = rows.copy()
            for given, own in ((rows.settings, self._own.settings), (rows.timeout_ns, self._own.timeout_ns)):
                np.copyto(given, own, where=given == KEEP)
        self.world.apply(self._deployment, rows)

    def onboard(self, window: int, instances: np.ndarray) -> None:
        assert self._deployment is not None
        self._own, self._by_agent = self.world.onboard(self._deployment), instances.copy()
        if self._own is not None:
            self._own.settings[:, ~instances] = KEEP
            self._own.timeout_ns[~instances] = KEEP
            self.world.propose(self._deployment, self._own)

    def safe(self, instances: np.ndarray) -> None:
        """The simulator lets settings expire by the same rule."""

    def local(self, routes: np.ndarray) -> None:
        """The simulator lets shares expire by the same rule."""

    def ahead(self) -> ObsRows | None:
        """What `snapshot` will return at the end of the window that runs; None if it is not known yet."""
        return self._read(self.world.window, coming=True) if self.world.known else None

    def snapshot(self, window: int) -> ObsRows:
        self.world.end(window)
        return self._read(self.world.window - 1, coming=False)

    def _read(self, window: int, coming: bool) -> ObsRows:
        assert self._deployment is not None and self._rows is not None
        rows = self._rows
        if window != self._shown:
            self._shown = window
            self.world.read(self._deployment, rows, coming)
            if self._base is not None:
                rows.counted -= self._base.counted
                rows.histograms -= self._base.histograms
            if self._own is not None and self._by_agent is not None:
                set_by = rows.flags[FLAGS.index("set_by")]
                set_by[self._by_agent & (set_by == BY_HOST)] = BY_AGENT
        return rows
