"""Which clients a round asks: FedHybrid's utility with FCPO's bandwidth factor, and exploration (FCPO, Eq. 7)."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from octogym.cluster import draws
from octogym.fed.errors import FedError

#: Stream of the counter-based draws: (seed, SELECTION, round, slot or device, use).
SELECTION = 32

EXPLORATIONS = ("epsilon", "ucb")


@dataclass(frozen=True)
class Candidate:
    """A client that could take part in a round.

    Args:
        loss_square: mean square of the loss over its experiences (data utility).
        needed_mb: memory that its full model needs; `memory_mb`: what its device has free. The factor is
            min(1, memory / needed); 0 needed counts as enough.
        time_s: its measured decision and update time (computing utility is 1 / time).
        bandwidth_bps: its device's; the factor is relative to the largest of the round.
    """

    name: str
    device: str
    loss_square: float
    needed_mb: float = 0.0
    memory_mb: float = math.inf
    time_s: float = 1.0
    bandwidth_bps: float = 1.0


def utilities(candidates: Iterable[Candidate]) -> dict[str, float]:
    """Client -> U = mean loss squared x min(1, memory / needed) x 1 / time x bandwidth / largest bandwidth.

    Raises:
        FedError: a time that is not positive, or a negative value.
    """
    listed = list(candidates)
    for c in listed:
        known = c.time_s > 0 and all(v >= 0 for v in (c.loss_square, c.needed_mb, c.memory_mb, c.bandwidth_bps))
        if not known:
            raise FedError(f"client {c.name!r}: expected a time above 0, loss square, memory, bandwidth of 0 or more")
    fastest = max((c.bandwidth_bps for c in listed), default=0.0)
    found = {}
    for c in listed:
        memory = min(1.0, c.memory_mb / c.needed_mb) if c.needed_mb > 0 else 1.0
        bandwidth = c.bandwidth_bps / fastest if fastest > 0 else 1.0
        found[c.name] = c.loss_square * memory / c.time_s * bandwidth
    return found


def admitted(candidates: Iterable[Candidate], utility: Mapping[str, float]) -> dict[str, list[str]]:
    """Device -> its clients, largest utility first, each admitted if its memory still fits; devices with none are
    left out."""
    found: dict[str, list[str]] = {}
    used: dict[str, float] = {}
    for c in sorted(candidates, key=lambda c: (-utility[c.name], c.name)):
        if used.get(c.device, 0.0) + c.needed_mb <= c.memory_mb:
            used[c.device] = used.get(c.device, 0.0) + c.needed_mb
            found.setdefault(c.device, []).append(c.name)
    return found


class Selector:
    """Chooses K = ceil(fraction x devices) devices a round, by the sum of their clients' utilities, and explores.

    "epsilon": each of the K places goes, with probability `epsilon`, to a device drawn from those left.
    "ucb": devices never chosen come first, then by U / largest U + `ucb` x sqrt(2 ln(rounds) / times chosen).
    With either, a device that `patience` rounds in a row could have asked and did not comes first, so that each device
    has its turn at the latest after patience + ceil(devices / K) rounds.
    Choices depend on the seed, the round's number and the history of choices alone.

    Raises:
        FedError: a setting out of range.
    """

    def __init__(
        self,
        seed: int,
        fraction: float = 0.5,
        explore: str = "epsilon",
        epsilon: float = 0.1,
        ucb: float = 0.5,
        patience: int = 20,
    ) -> None:
        if not 0 < fraction <= 1:
            raise FedError(f"fraction = {fraction!r}: expected above 0, up to 1")
        if explore not in EXPLORATIONS:
            raise FedError(f"explore = {explore!r}: expected one of {', '.join(EXPLORATIONS)}")
        if not 0 <= epsilon <= 1 or ucb < 0 or patience < 1:
            raise FedError(
                f"epsilon = {epsilon!r}, ucb = {ucb!r}, patience = {patience!r}: expected 0 <= epsilon <= 1, ucb of 0 "
                "or more, patience of 1 or more"
            )
        self.seed, self.fraction, self.explore, self.epsilon, self.ucb = seed, fraction, explore, epsilon, ucb
        self.patience = patience
        self.chosen: dict[str, int] = {}  # device -> times chosen
        self.passed: dict[str, int] = {}  # device -> rounds in a row that could have asked it and did not
        self.rounds = 0

    def select(self, number: int, candidates: Iterable[Candidate]) -> list[str]:
        """Names of the clients that round `number` asks, sorted; empty without candidates that fit."""
        listed = list(candidates)
        utility = utilities(listed)
        clients = admitted(listed, utility)
        devices = {c.device for c in listed}
        places = min(len(clients), math.ceil(self.fraction * len(devices)))
        total = {device: sum(utility[name] for name in names) for device, names in clients.items()}
        left = self._ranking(number, total)
        self.rounds += 1
        picked: list[str] = []
        for place in range(places):
            at = 0
            explores = self.explore == "epsilon" and self._draw(number, place, 0) < self.epsilon
            if explores and not self._overdue(left[0]):
                at = int(self._draw(number, place, 1) * len(left))
            device = left.pop(at)
            self.passed[device] = 0
            self.chosen[device] = self.chosen.get(device, 0) + 1
            picked.extend(clients[device])
        for device in left:
            self.passed[device] = self.passed.get(device, 0) + 1
        return sorted(picked)

    def _ranking(self, number: int, total: Mapping[str, float]) -> list[str]:
        largest = max(total.values(), default=0.0) or 1.0
        score = {}
        for device, value in total.items():
            score[device] = value / largest
            if self.explore == "ucb":
                times = self.chosen.get(device, 0)
                bonus = self.ucb * math.sqrt(2 * math.log(max(1, self.rounds)) / times) if times else math.inf
                score[device] += bonus
            if self._overdue(device):
                score[device] = math.inf
        # Among those to come first the one passed most often; other equals change places from round to round.
        return sorted(
            total, key=lambda d: (-score[d], -self._overdue(d), self._draw(number, zlib.crc32(d.encode()), 2), d)
        )

    def _overdue(self, device: str) -> int:
        """Rounds in a row that passed the device by, 0 while it has patience."""
        passed = self.passed.get(device, 0)
        return passed if passed >= self.patience else 0

    def _draw(self, number: int, word: int, use: int) -> float:
        return float(np.asarray(draws.uniform_of(self.seed, SELECTION, number, word, use)))
