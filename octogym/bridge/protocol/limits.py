"""How much a key may send."""

from __future__ import annotations

from dataclasses import dataclass

_SECOND = 1_000_000_000


class Bucket:
    """At most `burst` at once and `per_second` in the long run (generic cell rate algorithm, ITU-T I.371)."""

    def __init__(self, per_second: int, burst: int) -> None:
        if per_second < 1 or burst < 1:
            raise ValueError(f"per_second = {per_second}, burst = {burst}; allowed: 1 or more")
        self._per_second, self._room = per_second, burst * _SECOND // per_second
        self._due = -(2**62)

    def take(self, now_ns: int, amount: int = 1) -> bool:
        """Whether `amount` more is within the limit; nothing is taken if not."""
        due = max(self._due, now_ns) + amount * _SECOND // self._per_second
        if due - now_ns > self._room:
            return False
        self._due = due
        return True


@dataclass(frozen=True)
class Rates:
    """Limits per key. A node of 20 windows a second with four tables of 100 kB sends a tenth of this."""

    messages: int = 400
    message_burst: int = 800
    bytes: int = 8 << 20
    byte_burst: int = 16 << 20


class Gate:
    """The buckets of one key."""

    def __init__(self, rates: Rates) -> None:
        self._messages = Bucket(rates.messages, rates.message_burst)
        self._bytes = Bucket(rates.bytes, rates.byte_burst)

    def passes(self, now_ns: int, size: int) -> bool:
        """Whether a message of `size` bytes may be looked into."""
        return self._messages.take(now_ns) and self._bytes.take(now_ns, size)
