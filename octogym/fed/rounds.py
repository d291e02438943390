"""One server's rounds without input or output: it is told what came and what time it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from octogym.fed.aggregate import SHARED, GlobalModel, Group, Member, aggregate, groups_of
from octogym.fed.errors import FedError
from octogym.fed.update import ClientSpec, Reply, Upload, problem_of_upload

#: One second in nanoseconds.
SECOND_NS = 1_000_000_000

#: How a round ended: all had answered; the quorum had, and its grace is over; the timer ran out.
ALL, QUORUM, TIMER = "all", "quorum", "timer"


@dataclass(frozen=True)
class ClosedRound:
    """How a round ended. `changed` False: too few answered, and the model is what it was.

    `replies` has one entry for each participant. `shares`: group's label -> member -> share of the average ("" is the
    global model); `refused`: reason -> count; `loss`: mean over participants, 0 without any.
    """

    round: int
    opened_ns: int
    closed_ns: int
    selected: tuple[str, ...]
    participants: tuple[str, ...]
    ended: str
    changed: bool
    refused: Mapping[str, int]
    shares: Mapping[str, Mapping[str, float]]
    replies: Mapping[str, Reply]
    loss: float

    @property
    def silent(self) -> tuple[str, ...]:
        """Selected clients from which nothing usable came."""
        return tuple(name for name in self.selected if name not in self.participants)


class RoundServer:
    """Opens, fills and closes rounds; all times are integer nanoseconds of the caller's clock.

    A round with n selected clients closes when all n have answered; or, once max(1, floor(n / 2)) have (the quorum),
    n seconds later; or when its timer ends. With fewer than the quorum it ends without changing the model.
    Uploads that fail the checks of `octogym.fed.update` are refused, counted, and change nothing.

    Args:
        clients: everyone who may ever take part.
        weighting, mix_global: as in `octogym.fed.aggregate.aggregate`.
        timer_ns: longest time a round stays open (ours: 20 s, less than the 30 s that a client waits).
        model: what the server starts with, empty by default.

    Raises:
        FedError: two clients of one name, or clients whose backbones or value heads differ in shape.

    Example:
        >>> server = RoundServer(specs)
        >>> number = server.open(["cam-1/det", "cam-2/det"], now_ns)
        >>> server.receive(upload, now_ns)      # None, or the reason why it is refused
        >>> closed = server.due(now_ns)         # None, or a ClosedRound with a reply for each participant
    """

    def __init__(
        self,
        clients: Iterable[ClientSpec],
        weighting: str = "loss",
        mix_global: bool = True,
        timer_ns: int = 20 * SECOND_NS,
        model: GlobalModel | None = None,
    ) -> None:
        self.clients: dict[str, ClientSpec] = {}
        for client in clients:
            if client.name in self.clients:
                raise FedError(f"two clients are called {client.name!r}")
            self.clients[client.name] = client
        shared = {client.name: _shared(client) for client in self.clients.values()}
        for name, groups in shared.items():
            if groups != next(iter(shared.values())):
                raise FedError(f"client {name!r}: its backbone or value head has other shapes than those of the others")
        self.model = model or GlobalModel()
        self.round = 0  # the newest round, open or closed
        self.completed = 0  # rounds in which the model has changed
        self.refused: Counter[str] = Counter()  # over all rounds
        self.weighting, self.mix_global, self.timer_ns = weighting, mix_global, timer_ns
        self.opened_ns = 0
        self.selected: tuple[str, ...] = ()
        self.uploads: dict[str, Upload] = {}
        self.quorum_ns: int | None = None  # when the quorum was reached
        self.refused_now: Counter[str] = Counter()
        self.is_open = False

    @property
    def quorum(self) -> int:
        return max(1, len(self.selected) // 2)

    @property
    def deadline_ns(self) -> int | None:
        """When `due` will close the open round at the latest, if nothing more comes; None between rounds."""
        if not self.is_open:
            return None
        end = self.opened_ns + self.timer_ns
        if self.quorum_ns is not None:
            end = min(end, self.quorum_ns + len(self.selected) * SECOND_NS)
        return end

    def open(self, selected: Iterable[str], now_ns: int) -> int:
        """Open the next round for these clients; returns its number, from 1.

        Raises:
            FedError: a round is open, nobody is selected, or a selected client is unknown.
        """
        chosen = tuple(sorted(set(selected)))
        if self.is_open:
            raise FedError(f"round {self.round} is still open")
        if not chosen:
            raise FedError("a round needs at least one client")
        unknown = [name for name in chosen if name not in self.clients]
        if unknown:
            raise FedError(f"no client {unknown[0]!r}")
        self.round += 1
        self.is_open, self.selected, self.opened_ns = True, chosen, now_ns
        self.uploads, self.quorum_ns, self.refused_now = {}, None, Counter()
        return self.round

    def receive(self, upload: Upload, now_ns: int) -> str | None:
        """Take an upload; returns None, or the reason (`octogym.fed.update.REASONS`) for which it is refused."""
        open_round = self.round if self.is_open else None
        problem = problem_of_upload(upload, self.clients, self.selected, self.uploads, open_round, self.round)
        if problem is not None:
            self.refuse(problem)
            return problem
        self.uploads[upload.client] = upload
        if self.quorum_ns is None and len(self.uploads) >= self.quorum:
            self.quorum_ns = now_ns
        return None

    def refuse(self, reason: str) -> None:
        """Count something that came and could not be used."""
        self.refused[reason] += 1
        self.refused_now[reason] += 1

    def due(self, now_ns: int) -> ClosedRound | None:
        """Close the open round if it is time to; otherwise None."""
        deadline = self.deadline_ns
        if deadline is None:
            return None
        everyone = len(self.uploads) == len(self.selected)
        if not everyone and now_ns < deadline:
            return None
        participants = tuple(sorted(self.uploads))
        changed = len(participants) >= self.quorum
        shares: Mapping[str, Mapping[str, float]] = {}
        if changed:
            members = [Member.client(name, u.loss, u.parameters) for name, u in self.uploads.items()]
            self.completed += 1
            self.model, shares = aggregate(self.model, members, self.weighting, self.mix_global)
        replies = {
            name: Reply(
                name, self.round, self.completed, self.model.parameters(self.clients[name].shapes) if changed else {}
            )
            for name in participants
        }
        losses = [self.uploads[name].loss for name in participants]
        closed = ClosedRound(
            round=self.round,
            opened_ns=self.opened_ns,
            closed_ns=now_ns,
            selected=self.selected,
            participants=participants,
            ended=ALL if everyone else TIMER if now_ns >= self.opened_ns + self.timer_ns else QUORUM,
            changed=changed,
            refused=dict(self.refused_now),
            shares=shares,
            replies=replies,
            loss=sum(loss / len(losses) for loss in losses),
        )
        self.is_open, self.uploads = False, {}
        return closed


def _shared(client: ClientSpec) -> list[Group]:
    return [group for group in groups_of(client.shapes) if group.part in SHARED]
