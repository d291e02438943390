"""The world in one process, each node in another: what a device is asked, over a socket of this machine."""

from __future__ import annotations

import time
from collections.abc import Hashable, Sequence
from dataclasses import fields
from typing import Any

import msgspec
import numpy as np

from octogym.bridge.protocol.deployment import Deployment, contract_hash, decode_deployment, encode_deployment
from octogym.bridge.protocol.errors import DeployError
from octogym.bridge.protocol.messages import Peer, Table
from octogym.bridge.protocol.observations import ObsLayout, ObsRows
from octogym.bridge.protocol.rows import DecisionRows
from octogym.bridge.protocol.tables import pack, unpack
from octogym.cluster.errors import OctoGymError
from octogym.cluster.scenario import Scenario
from octogym.device_node.link import load_zmq
from octogym.rack.sim_node import SimNode
from octogym.rack.world import World

#: How long a node waits for the world, which answers within a window's simulation.
_PATIENCE_MS = 5_000


class WorldGone(OctoGymError, RuntimeError):
    """The world's process does not answer."""


class Call(msgspec.Struct):
    """`what`: deploy, begin, apply, onboard or read. `tables` of the arrays in the second frame (deploy: the
    deployment)."""

    what: str
    device: str
    window: int = -1
    episode: tuple[int, int] = (0, 0)
    seed: int = 0
    tables: list[Table] = msgspec.field(default_factory=list)


class Answer(msgspec.Struct):
    """`code`: why a deployment cannot run. `present`: the scenario has the device there."""

    present: bool = True
    code: str = ""
    text: str = ""
    tables: list[Table] = msgspec.field(default_factory=list)


_encode = msgspec.msgpack.encode
_call, _answer = msgspec.msgpack.Decoder(Call), msgspec.msgpack.Decoder(Answer)


class WorldServer:
    """Answers nodes about the world; one `SimNode` for each process that asks."""

    def __init__(self, scenario: Scenario, period_ns: int, address: str, agent: str | None = None) -> None:
        zmq = load_zmq()
        self.world = World(scenario, period_ns, agent)
        self._nodes: dict[bytes, SimNode] = {}
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.ROUTER)
        self._socket.linger = 0
        self._socket.bind(address)

    def turn(self) -> None:
        """Wait a moment for a call, answer all that there are, and let time pass."""
        zmq = load_zmq()
        if self._socket.poll(20):
            while True:
                try:
                    route, head, payload = self._socket.recv_multipart(zmq.NOBLOCK)
                except zmq.Again:
                    break
                answer, data = self._reply(route, _call.decode(head), payload)
                self._socket.send_multipart([route, _encode(answer), data])
        self.world.go_on(time.monotonic_ns())

    def close(self) -> None:
        self._socket.close()
        self._context.term()

    def _reply(self, route: bytes, call: Call, payload: bytes) -> tuple[Answer, bytes]:
        node = self._nodes.setdefault(route, SimNode(self.world, call.device))
        if call.what == "deploy":
            try:
                node.deploy(decode_deployment(payload, contract_hash(payload)))
            except DeployError as error:
                return Answer(code=error.code, text=error.text), b""
        elif call.what == "begin":
            node.begin(call.episode, call.seed)
        elif call.what == "apply":
            node.apply(DecisionRows(**unpack(call.tables, payload)), call.window)
        elif call.what == "onboard":
            node.onboard(call.window, unpack(call.tables, payload)["instances"].astype(bool))
        else:
            rows = node.snapshot(call.window)
            tables, data = pack({"memory": rows.memory, "histograms": rows.histograms})
            return Answer(node.present, tables=tables), data
        return Answer(node.present), b""


class RemoteNode:
    """`NodeHost` over a device of a world in another process."""

    def __init__(self, context: Any, address: str, device: str) -> None:
        self.device, self.present = device, True
        self.asked: int | None = None
        self._layout: ObsLayout | None = None
        self._socket = context.socket(load_zmq().DEALER)
        self._socket.linger = 0
        self._socket.connect(address)

    def deploy(self, deployment: Deployment) -> bool:
        answer, _ = self._ask(Call("deploy", self.device), encode_deployment(deployment))
        if answer.code:
            raise DeployError(answer.code, answer.text)
        self._layout = ObsLayout(deployment)
        return True

    def peers(self, peers: Sequence[Peer]) -> None:
        """Requests cross between devices within the simulator."""

    def reset(self, seed: int) -> None:
        self.asked = seed

    def begin(self, episode: Hashable, seed: int) -> None:
        """As `SimNode.begin`; `episode` is (session, number)."""
        self.asked = None
        assert isinstance(episode, tuple)
        self._ask(Call("begin", self.device, episode=episode, seed=seed))

    def apply(self, rows: DecisionRows, window: int) -> None:
        tables, data = pack({field.name: getattr(rows, field.name) for field in fields(DecisionRows)})
        self._ask(Call("apply", self.device, window, tables=tables), data)

    def onboard(self, window: int, instances: np.ndarray) -> None:
        """The agents run beside the world."""
        tables, data = pack({"instances": instances.astype(np.int8)})
        self._ask(Call("onboard", self.device, window, tables=tables), data)

    def safe(self, instances: np.ndarray) -> None:
        """The simulator lets settings expire by the same rule."""

    def local(self, routes: np.ndarray) -> None:
        """The simulator lets shares expire by the same rule."""

    def snapshot(self, window: int) -> ObsRows:
        answer, data = self._ask(Call("read", self.device, window))
        arrays = unpack(answer.tables, data)
        assert self._layout is not None
        rows = ObsRows(self._layout)
        rows.memory[:], rows.histograms[:] = arrays["memory"], arrays["histograms"]
        return rows

    def ahead(self) -> None:
        """Not known here."""

    def close(self) -> None:
        self._socket.close()

    def _ask(self, call: Call, payload: bytes = b"") -> tuple[Answer, bytes]:
        self._socket.send_multipart([_encode(call), payload])
        if not self._socket.poll(_PATIENCE_MS):
            raise WorldGone(f"{self.device}: the world's process does not answer")
        head, data = self._socket.recv_multipart()
        answer = _answer.decode(head)
        self.present = answer.present
        return answer, data
