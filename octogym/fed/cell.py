"""One edge server with its clients in simulated time: the events of their rounds in order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from octogym.fed.aggregate import GlobalModel
from octogym.fed.client import LOCAL, WAITING, FedClient
from octogym.fed.config import FedConfig
from octogym.fed.links import NEVER_NS, Links, Transit
from octogym.fed.rounds import ClosedRound, RoundServer
from octogym.fed.selection import Candidate, Selector
from octogym.fed.update import Reply, Upload
from octogym.fed.wire import decode_reply, decode_upload, encode_reply, encode_upload


class Updated(NamedTuple):
    """A local update, with what the selection of clients may use.

    `mean_square`: of the loss over the episode's experiences (None: the square of `loss`). `time_s`: measured decision
    and update time. `needed_mb`: memory of the client's full model; `memory_mb`: what its device has free.
    """

    loss: float
    mean_square: float | None = None
    time_s: float = 1.0
    needed_mb: float = 0.0
    memory_mb: float = float("inf")


@dataclass(frozen=True)
class RoundReport:
    """A round from its opening to its last reply.

    `ended`, `changed`, `refused`, `shares`, `loss`: as in `octogym.fed.rounds.ClosedRound`. `silent`: selected clients
    from which nothing usable came. `unreached`: participants that gave up waiting for their reply. `bytes_up`,
    `bytes_down`: of all messages sent, as encoded (`octogym.fed.wire`).
    """

    cluster: str
    round: int
    opened_ns: int
    duration_ns: int
    selected: tuple[str, ...]
    participants: tuple[str, ...]
    silent: tuple[str, ...]
    unreached: tuple[str, ...]
    ended: str
    changed: bool
    refused: Mapping[str, int]
    bytes_up: int
    bytes_down: int
    shares: Mapping[str, Mapping[str, float]]
    loss: float


class _Travelling(NamedTuple):
    transit: Transit
    message: Upload | Reply


class Cell:
    """The clients of one edge server; `octogym.fed.in_process.Federation` drives one or several of them.

    A round opens when a client is due and none is under way. It may ask the clients that are due, and those that are
    expected to be within the round's timer; a due client that it does not ask goes on alone.
    """

    def __init__(self, name: str, config: FedConfig, clients: Iterable[FedClient], seed: int, links: Links) -> None:
        self.name = name
        self.clients = {client.name: client for client in clients}
        self.server = RoundServer(
            [client.spec for client in self.clients.values()], config.weighting, config.mix_global, config.timer_ns
        )
        self.selector = Selector(seed, config.fraction, config.explore, config.epsilon, config.ucb, config.patience)
        self._timer_ns, self._period_ns, self._links = config.timer_ns, config.period_ns, links
        self._updates: dict[str, Updated] = {}
        self._travelling: list[_Travelling] = []
        self._bytes_up = 0
        self._report: RoundReport | None = None  # of the closed round whose replies are not all there yet
        self._reached: set[str] = set()  # its participants whose reply is there
        self._fresh: list[FedClient] = []

    def after_step(
        self, now_ns: int, updated: Mapping[str, float | Updated]
    ) -> tuple[ClosedRound | None, RoundReport | None]:
        """The window that ends at `now_ns`: the round that closed in it, and the report of the one that ended."""
        if not updated and self._idle:
            return None, None
        closed = self._advance(now_ns)
        for client in self.clients.values():
            client.tick(now_ns)
        self._give_up()
        report = self._finished()
        for name in sorted(updated):
            value = updated[name]
            self._updates[name] = value if isinstance(value, Updated) else Updated(float(value))
            self.clients[name].updated(self._updates[name].loss, now_ns)
        due = [client for client in self.clients.values() if client.due]
        if due and not self.server.is_open and self._report is None:
            chosen = self.selector.select(self.server.round + 1, self._candidates(now_ns))
            if chosen:
                self.server.open(chosen, now_ns)
                self._bytes_up = 0
        for client in due:
            if self.server.is_open and client.name in self.server.selected and client.round != self.server.round:
                self._send(client, client.upload(self.server.round, now_ns), now_ns)
            else:
                client.pass_by()
        return closed, report

    @property
    def _idle(self) -> bool:
        """Whether nothing can happen before the next update."""
        under_way = self.server.is_open or self._travelling or self._report is not None
        return not under_way and all(client.state == LOCAL for client in self.clients.values())

    def _candidates(self, now_ns: int) -> list[Candidate]:
        found = []
        for name, client in self.clients.items():
            known = self._updates.get(name)
            if known is None or client.state != LOCAL:
                continue
            if client.due or client.expected_ns(now_ns, self._period_ns) <= now_ns + self._timer_ns:
                square = known.loss * known.loss if known.mean_square is None else known.mean_square
                # A diverged client has no utility; its upload, if it is drawn all the same, is refused.
                square = square if np.isfinite(square) else 0.0
                bandwidth = float(self._links.rate_bps(client.spec.device, down=False))
                found.append(
                    Candidate(
                        name, client.spec.device, square, known.needed_mb, known.memory_mb, known.time_s, bandwidth
                    )
                )
        return found

    def _send(self, client: FedClient, upload: Upload, now_ns: int) -> None:
        size = len(encode_upload(upload))
        self._bytes_up += size
        transit = self._links.send(client.spec.device, size, down=False, start_ns=now_ns)
        self._travelling.append(_Travelling(transit, upload))

    def _give_up(self) -> None:
        """Messages whose client does not wait any more leave the links."""
        kept = []
        for one in self._travelling:
            client = self.clients[one.message.client]
            if client.state == WAITING and client.round == one.message.round:
                kept.append(one)
            else:
                self._links.remove(one.transit)
        self._travelling = kept

    def _advance(self, now_ns: int) -> ClosedRound | None:
        """Arrivals and the round's deadline up to now, in order of time."""
        closed = None
        while True:
            self._travelling.sort(key=lambda one: (one.transit.arrives_ns, one.message.client))
            arrival = self._travelling[0].transit.arrives_ns if self._travelling else NEVER_NS
            deadline = self.server.deadline_ns
            at = arrival if deadline is None else min(arrival, deadline)
            if at > now_ns:
                self._fine_tune()
                return closed
            if arrival == at:
                self._arrive(*self._travelling.pop(0))
            ended = self.server.due(at)
            if ended is not None:
                closed = ended
                self._reply(ended)

    def _arrive(self, transit: Transit, message: Upload | Reply) -> None:
        self._links.remove(transit)
        if isinstance(message, Upload):
            self.server.receive(message, transit.arrives_ns)
            return
        client = self.clients[message.client]
        waits, timeouts = client.state == WAITING, client.timeouts
        if client.receive(message, transit.arrives_ns, fine_tune=False):
            self._fresh.append(client)
        if self._report is not None and waits and client.state == LOCAL and client.timeouts == timeouts:
            self._reached.add(client.name)
            self._report = replace(self._report, duration_ns=transit.arrives_ns - self._report.opened_ns)

    def _fine_tune(self) -> None:
        """Agents of one stack together, which is much faster than one by one."""
        stacks = {id(client.stack): client.stack for client in self._fresh}
        for key, stack in stacks.items():
            stack.fine_tune(sorted(client.index for client in self._fresh if id(client.stack) == key))
        self._fresh = []

    def _finished(self) -> RoundReport | None:
        """The report of the closed round, once none of its participants waits for a reply any more."""
        report = self._report
        if report is None:
            return None
        members = [self.clients[name] for name in report.participants]
        if any(client.state == WAITING and client.round == report.round for client in members):
            return None
        self._report = None
        return replace(report, unreached=tuple(name for name in report.participants if name not in self._reached))

    def _reply(self, closed: ClosedRound) -> None:
        size = 0
        for name, reply in closed.replies.items():
            length = len(encode_reply(reply))
            size += length
            device = self.clients[name].spec.device
            transit = self._links.send(device, length, down=True, start_ns=closed.closed_ns)
            self._travelling.append(_Travelling(transit, reply))
        if closed.changed:
            for name, client in self.clients.items():
                if name not in closed.participants:
                    client.lengthen(self.server.completed)
        self._reached = set()
        self._report = RoundReport(
            cluster=self.name,
            round=closed.round,
            opened_ns=closed.opened_ns,
            duration_ns=closed.closed_ns - closed.opened_ns,
            selected=closed.selected,
            participants=closed.participants,
            silent=closed.silent,
            unreached=(),
            ended=closed.ended,
            changed=closed.changed,
            refused=closed.refused,
            bytes_up=self._bytes_up,
            bytes_down=size,
            shares=closed.shares,
            loss=closed.loss,
        )

    def state_dict(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Arrays by name and plain values that, with the clients' agents, are everything that changes."""
        server = self.server
        arrays = {"model/" + key: array for key, array in server.model.named().items()}
        for i, one in enumerate(self._travelling):
            arrays[f"travelling/{i}"] = np.frombuffer(_encoded(one.message), np.uint8)
        for name, upload in server.uploads.items():
            arrays["received/" + name] = np.frombuffer(encode_upload(upload), np.uint8)
        plain = {
            "made_by": server.model.made_by(),
            "server": {key: getattr(server, key) for key in _SERVER},
            "refused": [dict(server.refused), dict(server.refused_now)],
            "selector": [self.selector.rounds, self.selector.chosen, self.selector.passed],
            "clients": {name: client.state_dict() for name, client in self.clients.items()},
            "updates": self._updates,
            "travelling": [[asdict(one.transit), isinstance(one.message, Upload)] for one in self._travelling],
            "bytes_up": self._bytes_up,
            "report": None if self._report is None else asdict(self._report),
            "reached": sorted(self._reached),
        }
        return arrays, plain

    def load(self, arrays: Mapping[str, np.ndarray], plain: Mapping[str, Any], transits: Mapping[int, Transit]) -> None:
        """Take up a `state_dict` again; the plain values may have been through JSON.

        `transits`: of the links, by id.
        """
        server = self.server
        named = {key[len("model/") :]: array for key, array in arrays.items() if key.startswith("model/")}
        server.model = GlobalModel.restored(named, plain["made_by"])
        for key in _SERVER:
            setattr(server, key, plain["server"][key])
        server.selected = tuple(server.selected)
        server.refused, server.refused_now = (Counter(counts) for counts in plain["refused"])
        received = {key: array.tobytes() for key, array in arrays.items() if key.startswith("received/")}
        server.uploads = {key[len("received/") :]: decode_upload(data) for key, data in received.items()}
        rounds, chosen, passed = plain["selector"]
        self.selector.rounds, self.selector.chosen, self.selector.passed = rounds, dict(chosen), dict(passed)
        for name, state in plain["clients"].items():
            self.clients[name].load(state)
        self._updates = {name: Updated(*values) for name, values in plain["updates"].items()}
        self._travelling = []
        for i, (transit, is_upload) in enumerate(plain["travelling"]):
            data = arrays[f"travelling/{i}"].tobytes()
            message = decode_upload(data) if is_upload else decode_reply(data)
            self._travelling.append(_Travelling(transits.get(transit["id"]) or Transit(**transit), message))
        self._bytes_up, self._reached = plain["bytes_up"], set(plain["reached"])
        report: dict[str, Any] | None = plain["report"]
        if report is not None:
            report = {key: tuple(v) if isinstance(v, list) else v for key, v in report.items()}
        self._report = None if report is None else RoundReport(**report)


_SERVER = ("round", "completed", "opened_ns", "selected", "quorum_ns", "is_open")


def _encoded(message: Upload | Reply) -> bytes:
    return encode_upload(message) if isinstance(message, Upload) else encode_reply(message)
