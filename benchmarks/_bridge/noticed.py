"""How soon a rack's host notices that something has happened to a device, over real sockets with CURVE."""

from __future__ import annotations

import os
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from octogym.bridge.backend import BridgeBackend, open_bridge
from octogym.bridge.keys import Fixed, KeyRing, new_pair
from octogym.cluster.decision import Decision
from octogym.cluster.registry import load_scenario
from octogym.rack.faults import Fault
from octogym.rack.processes import NodeProcesses
from octogym.rack.proxy import Proxy
from octogym.rack.up import NodesThread, local_roster, simulated_rack

SCENARIO, DEVICE = "traffic-2", "cam-1"
PATIENCE_S = 60.0
#: Between two trials, so that they do not fall on the same moment of a heartbeat or a window.
PAUSE_S = 0.237


def state_of(backend: BridgeBackend, device: str = DEVICE) -> str:
    """running, lost, revoked and so on, as `octogym rack status` says it."""
    with backend._session.machine_now(wake=False) as (machine, now):
        return machine.status(now)[device].state


def until(done: Callable[[], bool]) -> float:
    """Seconds until `done`, looked at every 2 ms."""
    begin = time.monotonic()
    while not done():
        if time.monotonic() - begin > PATIENCE_S:
            raise TimeoutError(f"not within {PATIENCE_S:g} s")
        time.sleep(0.002)
    return time.monotonic() - begin


@contextmanager
def _rack() -> Iterator[tuple[BridgeBackend, dict[str, object]]]:
    """A host without nodes, in half-second windows, and what nodes need to join it."""
    scenario, host = load_scenario(SCENARIO), new_pair()
    pairs = {device.id: new_pair() for device in scenario.cluster.devices}
    roster = local_roster(scenario, 2.0)
    backend = BridgeBackend(roster, host, Fixed({pair.public: name for name, pair in pairs.items()}), join_s=PATIENCE_S)
    join = {"scenario": scenario, "host": host.public, "pairs": pairs, "period_ns": roster.period_ns}
    try:
        yield backend, join
    finally:
        backend.close()


def stopped(trials: int) -> list[float]:
    """Seconds from SIGSTOP of a node's process to LINK_DOWN."""
    found = []
    with _rack() as (backend, join), NodeProcesses(address=backend.address, **join) as nodes:  # type: ignore[arg-type]
        backend.reset(0)
        for trial in range(trials):
            until(lambda: state_of(backend) == "running")
            time.sleep(1 + trial * PAUSE_S % 1)
            os.kill(nodes.pid(DEVICE), signal.SIGSTOP)
            found.append(until(lambda: state_of(backend) == "lost"))
            os.kill(nodes.pid(DEVICE), signal.SIGCONT)
    return found


def swallowed(trials: int) -> list[float]:
    """Seconds from the moment at which a link swallows everything, without an end of the connection, to LINK_DOWN."""
    found = []
    with _rack() as (backend, join), Proxy(backend.address) as proxy:
        via = {DEVICE: proxy.address}
        with NodesThread(address=backend.address, via=via, **join):
            backend.reset(0)
            for trial in range(trials):
                until(lambda: state_of(backend) == "running")
                time.sleep(1 + trial * PAUSE_S % 1)
                proxy.blackhole = True
                found.append(until(lambda: state_of(backend) == "lost"))
                proxy.blackhole = False
            backend.close()
    return found


def stuck(trials: int) -> list[int]:
    """Windows that were told of as usual after a node's interpreter had got stuck within one; 0: that very window is
    `STALE`."""
    begin = [4.5 + 6 * trial for trial in range(trials)]
    faults = [Fault("stuck", DEVICE, at, 2.0) for at in begin]
    found = []
    with simulated_rack(load_scenario(SCENARIO), 2.0, faults, join_s=PATIENCE_S) as backend:
        backend.reset(0)
        keep, window, waiting = Decision.keep(backend.cluster), 0, list(begin)
        while waiting:
            backend.step(keep)
            if window >= int(waiting[0]) and backend.facts[DEVICE].stale:
                found.append(window - int(waiting.pop(0)))
            window += 1 + (backend.tally.skipped + backend.tally.steps - 1 - window)
    return found


def revoked(trials: int) -> list[float]:
    """Seconds from the end of `octogym keys revoke` to the moment from which nothing more is taken from the key."""
    found = []
    for _ in range(trials):
        with tempfile.TemporaryDirectory() as folder:
            ring, scenario = KeyRing(Path(folder) / "keys"), load_scenario(SCENARIO)
            ring.new("host")
            pairs = {device.id: ring.new(device.id) for device in scenario.cluster.devices}
            for name, pair in pairs.items():
                ring.allow(name, pair.public)
            file = Path(folder) / "rack.toml"
            file.write_text(f'scenario = "{SCENARIO}"\nlisten = "tcp://127.0.0.1:*"\nkeys = "keys"\nperiod_s = 0.5\n')
            backend = open_bridge(rack=file, join_s=PATIENCE_S)
            with NodesThread(scenario, backend.address, ring.public("host"), pairs, 500_000_000):
                backend.reset(0)
                until(lambda backend=backend: state_of(backend) == "running")  # type: ignore[misc]
                ring.revoke(DEVICE)
                found.append(until(lambda backend=backend: state_of(backend) == "revoked"))  # type: ignore[misc]
                backend.close()
    return found
