"""When a node says Hello, and which answers count."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Dict, Optional, Sequence, Tuple

from octogym.bridge.protocol import messages as m
from octogym.bridge.protocol.clock import MS, NEVER

#: Pause before the second Hello, the longest between two, and that after a Reject.
HELLO_NS, HELLO_MOST_NS, REJECTED_NS = 200 * MS, 2_000 * MS, 10_000 * MS
#: Windows without a word from the host after which a node greets anew.
SILENT_WINDOWS = 3


@dataclass(frozen=True)
class Card:
    """What a node says of itself. `boot` is drawn anew whenever the process starts, 1 to 2**62."""

    device: str
    boot: int
    hardware: m.Hardware = field(default_factory=m.Hardware)
    models: Tuple[m.ModelFile, ...] = ()
    sources: Tuple[str, ...] = ()
    about: Dict[str, str] = field(default_factory=dict)


class Greeting:
    """Looks for the host at the start, and again whenever it has been silent."""

    def __init__(self, now: int, card: Card, versions: Sequence[int]) -> None:
        self._card, self._versions = card, list(versions)
        self._nonce, self._from = 0, 1
        self._at, self._wait = now, HELLO_NS
        self._heard = now
        #: Whether the host is looked for.
        self.active = True
        self.period_ns = 1_000 * MS

    @property
    def next_ns(self) -> int:
        return self._at if self.active else self._silent_at()

    def _silent_at(self) -> int:
        return self._heard + SILENT_WINDOWS * self.period_ns

    def heard(self, now: int) -> None:
        """The host has spoken."""
        self._heard, self.active = now, False

    def begin(self, now: int, wait_ns: int = 0) -> None:
        """Look for the host, from `wait_ns` on."""
        if not self.active:
            self.active, self._from = True, self._nonce + 1
            self._at, self._wait = now + wait_ns, HELLO_NS

    def stop(self) -> None:
        """Look for no host any more."""
        self.active, self._at = True, NEVER

    def rejected(self, now: int) -> None:
        self._at = now + REJECTED_NS

    def answers(self, nonce: int) -> bool:
        """Whether `nonce` is that of a Hello sent since this search began."""
        return self.active and self._from <= nonce <= self._nonce

    def due(self, now: int) -> Optional[m.Hello]:
        """The Hello to send now, if one is due."""
        if not self.active and now >= self._silent_at():
            self.begin(now)
        if not self.active or now < self._at:
            return None
        self._nonce += 1
        self._at, self._wait = now + self._wait, min(HELLO_MOST_NS, self._wait * 3 // 2)
        card = self._card
        return m.Hello(
            self._versions,
            card.device,
            card.boot,
            self._nonce,
            card.hardware,
            list(card.models),
            list(card.sources),
            card.about,
        )
