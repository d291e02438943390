"""Simulated nodes in a process of their own, or in one each."""

from __future__ import annotations

import multiprocessing
import signal
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from octogym.bridge.protocol.keyfile import KeyPair
from octogym.cluster.errors import OctoGymError
from octogym.cluster.scenario import Scenario
from octogym.cluster.topology import Device
from octogym.device_node.link import load_zmq
from octogym.rack.loop import NodeLoop
from octogym.rack.nodes import SimulatedNodes
from octogym.rack.remote import RemoteNode, WorldServer

#: Time for nodes to say good-bye before their process is ended.
_PARTING_S = 5.0
#: How often it is looked whether the world's process still lives while it gets ready.
_LOOK_S = 0.2


class RackError(OctoGymError, RuntimeError):
    """A rack that cannot be brought up, or has broken down; the message says why."""


class NodesProcess:
    """A process that runs `SimulatedNodes` while the context lasts. Arguments are theirs."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        # Not forked: libzmq's threads and locks do not survive that.
        context = multiprocessing.get_context("spawn")
        self._stop = context.Event()
        given = (self._stop, *arguments)
        self._process = context.Process(target=_serve, args=given, kwargs=more, name="octogym-nodes", daemon=True)

    def check(self) -> None:
        """RackError if the process has ended."""
        if self._process.exitcode is not None:
            raise RackError(f"the nodes' process has ended with exit code {self._process.exitcode}")

    def __enter__(self) -> NodesProcess:
        self._process.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._process.join(_PARTING_S)
        if self._process.exitcode is None:
            self._process.terminate()
            self._process.join(_PARTING_S)


def _serve(stop: Any, *arguments: Any, **more: Any) -> None:
    # Ctrl-C goes to the whole group; the parent decides when the nodes end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    nodes = SimulatedNodes(*arguments, **more)
    try:
        while not stop.is_set():
            nodes.turn()
    finally:
        nodes.close()


class NodeProcesses:
    """A process for the world and one for every node, which may be killed, stopped and started while it lasts.

    Arguments are those of `SimulatedNodes`, without faults.
    """

    def __init__(
        self,
        scenario: Scenario,
        address: str,
        host: bytes | None,
        pairs: Mapping[str, KeyPair],
        period_ns: int,
        agent: str | None = None,
    ) -> None:
        self._scenario, self._period_ns, self._agent = scenario, period_ns, agent
        self._devices = {device.id: device for device in scenario.cluster.devices}
        self._host, self._pairs = (address, host), dict(pairs)
        self._context = multiprocessing.get_context("spawn")
        self._stop = self._context.Event()
        self._processes: dict[str, Any] = {}

    def start(self, device: str) -> None:
        """Start the node of a device, in place of one that has ended."""
        if self.alive(device):
            raise RackError(f"{device}: its node runs, process {self.pid(device)}")
        arguments = (self._stop, self._world, self._devices[device], *self._host, self._pairs[device])
        self._processes[device] = self._context.Process(target=_serve_node, args=arguments, name=device, daemon=True)
        self._processes[device].start()

    def alive(self, device: str) -> bool:
        """Whether the node's process runs (or is stopped)."""
        process = self._processes.get(device)
        return process is not None and process.is_alive()

    def pid(self, device: str) -> int:
        """The process of a device's node."""
        return int(self._processes[device].pid)

    def check(self) -> None:
        """RackError if the world's process has ended; that of a node may."""
        if self._server.exitcode is not None:
            raise RackError(f"the world's process has ended with exit code {self._server.exitcode}")

    def __enter__(self) -> NodeProcesses:
        self._folder = tempfile.TemporaryDirectory(prefix="octogym-")
        self._world = f"ipc://{Path(self._folder.name) / 'world'}"
        ready = self._context.Event()
        arguments = (self._stop, ready, self._scenario, self._period_ns, self._world, self._agent)
        self._server = self._context.Process(target=_serve_world, args=arguments, name="octogym-world", daemon=True)
        self._server.start()
        try:
            # It answers at once, but not before the simulator is compiled.
            while not ready.wait(_LOOK_S):
                self.check()
            for device in self._devices:
                self.start(device)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        for process in (*self._processes.values(), self._server):
            process.join(_PARTING_S)
            if process.exitcode is None:
                process.kill()  # also one that is stopped
                process.join(_PARTING_S)
        self._folder.cleanup()


def _serve_world(stop: Any, ready: Any, scenario: Scenario, period_ns: int, address: str, agent: str | None) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    server = WorldServer(scenario, period_ns, address, agent)
    ready.set()
    try:
        while not stop.is_set():
            server.turn()
    finally:
        server.close()


def _serve_node(stop: Any, world: str, device: Device, address: str, host: bytes | None, pair: KeyPair) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    context = load_zmq().Context()
    node = RemoteNode(context, world, device.id)
    loop = NodeLoop({device.id: device}, {device.id: node}, address, host, {device.id: pair})
    try:
        while not stop.is_set():
            loop.turn()
    finally:
        loop.close()
        node.close()
        context.term()
