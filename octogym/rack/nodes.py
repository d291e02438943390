"""All nodes of a simulated rack over one world, and the faults that befall them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack

from octogym.bridge.protocol.keyfile import KeyPair
from octogym.cluster.scenario import Scenario
from octogym.rack.faults import Fault
from octogym.rack.loop import NodeLoop
from octogym.rack.proxy import Proxy
from octogym.rack.sim_node import SimNode
from octogym.rack.world import World


class SimulatedNodes(NodeLoop):
    """The devices of one scenario over one `World`.

    Args:
        scenario: what the world simulates.
        address: of the host.
        host: the host's public key; None for plain sockets, on this machine only.
        pairs: device -> its own keys.
        period_ns: real length of a window.
        faults: to be staged; their times count from the first episode's start.
        via: device -> another address that leads to the host.
        agent: policy that decides on devices under control of an agent; None: there is none.
    """

    def __init__(
        self,
        scenario: Scenario,
        address: str,
        host: bytes | None,
        pairs: Mapping[str, KeyPair],
        period_ns: int,
        faults: Sequence[Fault] = (),
        via: Mapping[str, str] | None = None,
        agent: str | None = None,
    ) -> None:
        self.world = World(scenario, period_ns, agent)
        self._speed = scenario.cluster.period_ns / period_ns
        self._waiting = sorted(faults, key=lambda fault: fault.at_s)
        self._running: list[Fault] = []
        self._began_ns: int | None = None
        self.stopped = False
        devices = {device.id: device for device in scenario.cluster.devices}
        nodes = {name: SimNode(self.world, name) for name in devices}
        self._proxies = ExitStack()
        through = {fault.device for fault in faults if fault.kind == "blackhole"}
        self._holes = {name: self._proxies.enter_context(Proxy(address)) for name in through}
        via = {**(via or {}), **{name: proxy.address for name, proxy in self._holes.items()}}
        super().__init__(devices, nodes, address, host, pairs, via)

    def run(self) -> None:
        """Serve until `stopped` is set by another thread."""
        try:
            while not self.stopped:
                self.turn()
        finally:
            self.close()

    def turn(self) -> None:
        """Wait for news or for what is due, then serve everybody, and let time pass."""
        super().turn()
        now = time.monotonic_ns()
        if self._began_ns is None and self.world.window >= 0:
            self._began_ns = now
        self._stage(now)
        self.world.go_on(now)

    def close(self) -> None:
        """Every node says good-bye."""
        super().close()
        self._proxies.close()

    # --- inside -----------------------------------------------------------------------------------------------------

    def _stage(self, now_ns: int) -> None:
        if self._began_ns is None:
            return
        second = (now_ns - self._began_ns) * self._speed / 1e9
        for fault in [fault for fault in self._running if fault.end_s <= second]:
            self._running.remove(fault)
            self._lift(fault)
        while self._waiting and self._waiting[0].at_s <= second:
            fault = self._waiting.pop(0)
            self._running.append(fault)
            self._strike(fault)

    def _strike(self, fault: Fault) -> None:
        session = self._sessions[fault.device]
        if fault.kind == "blackhole":
            self._holes[fault.device].blackhole = True
        elif session is None:  # dead already
            return
        elif fault.kind == "stuck":
            self._hold(fault.device, True)
        elif fault.kind == "cut":
            self._cut(fault.device)
        else:
            self._end(fault.device, good_bye=fault.kind == "upgrade")

    def _lift(self, fault: Fault) -> None:
        session = self._sessions[fault.device]
        if fault.kind == "blackhole":
            self._holes[fault.device].blackhole = False
        elif fault.kind == "stuck":
            self._hold(fault.device, False)
        elif fault.kind == "cut" and session is not None and fault.device not in self._away:
            self._mend(fault.device)
        elif fault.kind in ("restart", "upgrade") and session is None:
            self._boot(fault.device)
