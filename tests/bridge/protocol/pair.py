"""A host and its nodes joined by a perfect transport, one clock for all."""

from __future__ import annotations

from octogym.bridge.protocol import Card, DecisionRows, HostMachine, NodeMachine, ObsRows
from tests.bridge.protocol.histories import MS, SECOND, deployment


class Board:
    """A device that does as it is told and remembers it."""

    def __init__(self, done=True, error=None):
        self.log, self._done, self._error = [], done, error
        self.agents = []  # calls of `onboard`
        self.bump = 1
        self.deployment = self.rows = None

    def deploy(self, deployment):
        self.log.append("deploy")
        self.deployment, self.rows = deployment, ObsRows.zeros(deployment)
        if self._error is not None:
            raise self._error
        return self._done

    def peers(self, peers):
        self.log.append(("peers", [peer.device for peer in peers]))

    def reset(self, seed):
        self.log.append(("reset", seed))
        self.rows = ObsRows.zeros(self.deployment)

    def apply(self, rows, window):
        self.log.append(("apply", window, rows.copy()))

    def onboard(self, window, instances):
        self.agents.append((window, instances.tolist()))

    def safe(self, instances):
        self.log.append(("safe", instances.tolist()))

    def local(self, routes):
        self.log.append(("local", routes.tolist()))

    def snapshot(self, window):
        self.rows.counters[:] += self.bump
        return self.rows

    def applied(self):
        return [entry[1] for entry in self.log if entry[0] == "apply"]


class Pair:
    """`names` are the devices of the roster; `boards` those that have booted. `drop(up, key, frames)` may lose one."""

    def __init__(self, names=("a", "b"), versions=(1,), node_versions=(1,), boards=None, control="host"):
        self.names, self.t = list(names), 5 * SECOND
        self.keys = {name: f"key {name}".encode() for name in names}
        roster = {key: name for name, key in self.keys.items()}
        self.host = HostMachine(self.t, 77, SECOND, roster, versions=versions)
        self.deployments = {name: deployment(name, self.names, control=control) for name in names}
        self.boards = boards or {name: Board() for name in names}
        self.nodes = {}
        self.boots = 0
        self.drop = lambda up, key, frames: False
        for name in self.boards:
            self.boot(name, node_versions)
        self.host.deploy(self.t, self.deployments)

    def boot(self, name, versions=(1,), board=None):
        self.boots += 1
        self.boards[name] = board or self.boards[name]
        card = Card(name, 1000 + self.boots)
        self.nodes[name] = NodeMachine(self.t, self.boards[name], card, versions)

    def run(self, seconds):
        """On by `seconds`, doing whatever is due."""
        until = self.t + round(seconds * SECOND)
        while True:
            while self.exchange():
                pass
            due = min([self.host.deadline_ns(), *(node.deadline_ns() for node in self.nodes.values())])
            if due > until:
                break
            self.t = max(self.t, due)
            self.host.tick(self.t)
            for node in self.nodes.values():
                node.tick(self.t)
        self.t = until

    def exchange(self):
        moved = False
        for name, node in list(self.nodes.items()):
            for _, frames in node.outbox():
                moved = True
                if not self.drop(True, name, frames):
                    self.host.receive(self.t, self.keys[name], frames)
        for key, frames in self.host.outbox():
            moved = True
            name = next(name for name, its in self.keys.items() if its == key)
            if name in self.nodes and not self.drop(False, name, frames):
                self.nodes[name].receive(self.t, b"", frames)
        return moved

    def start(self):
        """Place, reset, start; up to the first window. Returns it."""
        self.run(0.5)
        window = self.host.start(self.t)
        self.until(self.host.collect_at(window - 1))
        self.host.collect(self.t, window - 1)
        return window

    def until(self, time_ns):
        self.run((time_ns - self.t) / SECOND)

    def decision(self, name, **fields):
        rows = DecisionRows.keep(self.deployments[name])
        rows.settings[1:] = 1
        rows.timeout_ns[:] = 7 * MS
        for field, value in fields.items():
            getattr(rows, field)[:] = value
        return rows

    def step(self, window, rows=None, **options):
        """Decide, wait, collect."""
        rows = {name: self.decision(name) for name in self.names} if rows is None else rows
        sent = self.host.act(self.t, window, rows, **options)
        self.until(self.host.collect_at(window))
        return sent, self.host.collect(self.t, window)
