"""A simulated rack on this machine: keys, host and nodes, ready to be stepped."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Literal

from octogym.bridge.backend import BridgeBackend
from octogym.bridge.keys import Fixed, new_pair
from octogym.bridge.roster import AGENT_DECIDES, HOST_DECIDES, Roster, RosterDevice
from octogym.cluster.scenario import Scenario
from octogym.rack.faults import Fault
from octogym.rack.nodes import SimulatedNodes
from octogym.rack.processes import NodeProcesses, NodesProcess, RackError

Nodes = Literal["thread", "process", "processes"]

LOCAL = "tcp://127.0.0.1:*"
#: Of a window: how long a step waits for nodes that share a busy machine.
_GRACE = 4


def local_roster(
    scenario: Scenario,
    speed: float = 1.0,
    curve: bool = True,
    elastic: bool = False,
    control: str = HOST_DECIDES,
    steady: bool = False,
) -> Roster:
    """A roster of all of a scenario's devices on this machine. `control`: "host" or "agent", of all of them.

    Raises:
        RackError: a speed at which a window would be shorter than 5 ms.
    """
    period_ns = round(scenario.cluster.period_ns / speed) if speed > 0 else 0
    if period_ns < 5_000_000:
        most = scenario.cluster.period_ns / 5_000_000
        raise RackError(f"speed = {speed:g}; allowed: above 0, up to {most:g} (windows of 5 ms)")
    devices = tuple(RosterDevice(device.id, "", "", control) for device in scenario.cluster.devices)
    grace_ns = period_ns // _GRACE
    return Roster(scenario.name, scenario, devices, LOCAL, curve, None, "", period_ns, grace_ns, elastic, LOCAL, steady)


@contextmanager
def simulated_rack(
    scenario: Scenario,
    speed: float = 1.0,
    faults: Sequence[Fault] = (),
    curve: bool = True,
    nodes: Nodes = "thread",
    join_s: float = 10.0,
    agent: str | None = None,
    steady: bool = False,
) -> Iterator[BridgeBackend]:
    """A rack on this machine: nodes behind real sockets, with keys made for it.

    Args:
        scenario: every device becomes a node of its own.
        speed: times real time.
        faults: to be staged.
        curve: encrypt and authenticate.
        nodes: all in a thread of this process, all in a process of their own ("process"), or in one each
            ("processes").
        join_s: how long the first reset waits for the nodes.
        agent: policy that runs on every device and decides there, whatever the host says; None: the host decides.
        steady: every step returns a quarter of a window after its window's end; else as soon as all nodes have told.

    Raises:
        RackError: a bad speed, or the nodes have failed.
    """
    if faults and nodes == "processes":
        raise RackError("faults are staged among nodes of one process; a process of its own is killed from outside")
    control = HOST_DECIDES if agent is None else AGENT_DECIDES
    roster = local_roster(scenario, speed, curve, control=control, steady=steady)
    host, pairs = new_pair(), {device.id: new_pair() for device in scenario.cluster.devices}
    admits = Fixed({pair.public: device for device, pair in pairs.items()})
    backend = BridgeBackend(roster, host if curve else None, admits, join_s=join_s)
    arguments = (scenario, backend.address, host.public if curve else None, pairs, roster.period_ns)
    try:
        with _RUNNERS[nodes](*arguments, **({"faults": faults} if faults else {}), agent=agent) as running:
            try:
                yield backend
            except Exception as error:
                _blame(running, error)
                raise
            running.check()
            backend.close()
    finally:
        backend.close()


class NodesThread:
    """A thread that runs `SimulatedNodes` while the context lasts. Arguments are theirs."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        self._nodes = SimulatedNodes(*arguments, **more)
        self._problem: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="octogym-nodes", daemon=True)

    def check(self) -> None:
        """RackError if the thread has failed."""
        if self._problem is not None:
            raise RackError(f"the nodes' loop has failed: {self._problem!r}") from self._problem

    def _run(self) -> None:
        try:
            self._nodes.run()
        except BaseException as error:  # whoever steps the rack must hear of it
            self._problem = error

    def __enter__(self) -> NodesThread:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._nodes.stopped = True
        self._thread.join()


_RUNNERS: dict[str, Any] = {"thread": NodesThread, "process": NodesProcess, "processes": NodeProcesses}


def _blame(nodes: NodesThread | NodesProcess | NodeProcesses, error: Exception) -> None:
    """RackError instead, if the nodes' end is behind it."""
    try:
        nodes.check()
    except RackError as reason:
        raise reason from error
