"""Transfers of a federation in simulated time: bytes over bandwidth, one after the other on each link."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from octogym.fed.errors import FedError

#: When what stands still on a link without bandwidth would arrive.
NEVER_NS = 1 << 62


@dataclass(eq=False)
class Transit:
    """A message on its way.

    `left`: bits x 1e9 that are still to be sent, from `ready_ns` on if the link is free; they begin at `begin_ns`.
    `sent_ns`: when the last will have left at the present rate; `arrives_ns`: when the message will be there.
    """

    id: int
    device: str
    down: bool
    left: int
    ready_ns: int
    begin_ns: int
    sent_ns: int = 0
    arrives_ns: int = 0


class Links:
    """Uplinks and downlinks of devices, each first in, first out. Times are integer ns, rates bit/s.

    A message goes on at the rates that are stated while it is on its way, and arrives `latency_ns` after its last bit.
    On a link without bandwidth it waits. Other traffic is not modelled (an upload has 17 to 31 kB).

    Args:
        latency_ns: of each message.
        bandwidth_bps: of links for which none is stated.
        server: device beside the server, whose messages take no time; or None.
    """

    def __init__(self, latency_ns: int, bandwidth_bps: float, server: str | None) -> None:
        self._latency_ns, self._default, self._server = latency_ns, float(bandwidth_bps), server
        self._rates: Mapping[str, tuple[float, float]] = {}
        self._queues: dict[tuple[str, bool], list[Transit]] = {}
        self._next = 0
        self.now_ns = -1

    def now(self, now_ns: int, bandwidth_bps: Mapping[str, tuple[float, float]] | None) -> None:
        """The clock stands at `now_ns`, and from now on devices have these (uplink, downlink) rates.

        Raises:
            FedError: time does not advance, or a rate is negative.
        """
        if now_ns <= self.now_ns:
            raise FedError(f"now_ns = {now_ns}: expected more than at the last call ({self.now_ns})")
        rates = bandwidth_bps or {}
        for device, pair in rates.items():
            if not all(rate >= 0 for rate in pair):
                raise FedError(f"device {device!r}: bandwidth {pair!r}: expected (uplink, downlink) of 0 or more")
        for (device, down), queue in self._queues.items():
            rate = self.rate_bps(device, down)
            for transit in queue:
                if transit.begin_ns < now_ns < transit.sent_ns:
                    transit.left -= rate * (now_ns - transit.begin_ns)
                    transit.ready_ns = now_ns
        self.now_ns, self._rates = now_ns, rates
        for link in self._queues:
            self._plan(link)

    def rate_bps(self, device: str, down: bool) -> int:
        """The rate in force, in whole bit/s."""
        return int(self._rates[device][down] if device in self._rates else self._default)

    def send(self, device: str, size: int, down: bool, start_ns: int) -> Transit:
        """Hand over `size` bytes at `start_ns`, from the device, or to it (`down`). The transit's times change with the
        rates."""
        self._next += 1
        transit = Transit(self._next, device, down, 8_000_000_000 * size, start_ns, start_ns, start_ns, start_ns)
        if device != self._server:
            self._queues.setdefault((device, down), []).append(transit)
            transit.sent_ns = NEVER_NS
            self._plan((device, down))
        return transit

    def remove(self, transit: Transit) -> None:
        """It has arrived, or nobody waits for it any more."""
        link = (transit.device, transit.down)
        if transit in self._queues.get(link, ()):
            self._queues[link].remove(transit)
            if transit.sent_ns > self.now_ns:
                for other in self._queues[link]:
                    other.ready_ns = max(other.ready_ns, self.now_ns)
                self._plan(link)

    def _plan(self, link: tuple[str, bool]) -> None:
        rate = self.rate_bps(*link)
        free = 0
        for transit in self._queues[link]:
            if transit.sent_ns > self.now_ns:
                transit.begin_ns = max(transit.ready_ns, free)
                done = transit.begin_ns + -(-transit.left // rate) if rate else NEVER_NS
                transit.sent_ns = min(done, NEVER_NS)
                transit.arrives_ns = min(done + self._latency_ns, NEVER_NS)
            free = transit.sent_ns

    def state_dict(self) -> dict[str, Any]:
        """What changes, as plain values; the rates are stated at each call."""
        queued = [asdict(transit) for queue in self._queues.values() for transit in queue]
        return {"now_ns": self.now_ns, "next": self._next, "rates": dict(self._rates), "transits": queued}

    def load(self, state: Mapping[str, Any]) -> dict[int, Transit]:
        """Take up a `state_dict` again. Returns the queued transits by id."""
        self.now_ns, self._next, self._rates = state["now_ns"], state["next"], state["rates"]
        transits = {values["id"]: Transit(**values) for values in state["transits"]}
        self._queues = {}
        for transit in transits.values():
            self._queues.setdefault((transit.device, transit.down), []).append(transit)
        return transits
