"""Large messages that wait to be sent, no faster than their receiver takes them."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Callable, Deque, Dict, List, Set

from octogym.bridge.protocol.clock import MS
from octogym.bridge.protocol.codec import MAX_MODEL, Frames
from octogym.bridge.protocol.limits import Gate, Rates

#: How much a key may send: two of the largest messages at once, one in eight seconds for ever.
WEIGHT_RATES = Rates(messages=20, message_burst=200, bytes=2 << 20, byte_burst=2 * MAX_MODEL)
#: What a sender keeps to, so that whatever happens on the way its receiver's limit is not reached.
SENDER_RATES = Rates(messages=20, message_burst=100, bytes=2 << 20, byte_burst=MAX_MODEL)
#: Messages and bytes that wait at most, and for how long.
MAX_WAITING, MAX_WAITING_BYTES, MAX_WAIT_NS = 1024, 128 << 20, 60_000 * MS

HandOver = Callable[[bytes, Frames], bool]


@dataclass
class _Waiting:
    key: bytes
    frames: Frames
    since_ns: int = -1  # -1: not seen by `flush` yet
    paid: bool = False


class Outgoing:
    """Messages by key, each key's in order. One thread may `put` while another one calls `flush`."""

    def __init__(self) -> None:
        self._new: Deque[_Waiting] = deque()
        self._queue: List[_Waiting] = []
        self._bytes = 0  # of _queue
        self._gates: Dict[bytes, Gate] = {}
        #: Messages that were given up after a minute, or when their key had gone.
        self.given_up = 0

    def put(self, key: bytes, frames: Frames) -> bool:
        """Let a message wait. False if too many do."""
        new = list(self._new)
        size = self._bytes + sum(_size(item) for item in new) + sum(map(len, frames))
        if size > MAX_WAITING_BYTES or len(self._queue) + len(new) >= MAX_WAITING:
            return False
        self._new.append(_Waiting(key, frames))
        return True

    def flush(self, now_ns: int, hand_over: HandOver, known: Callable[[bytes], bool]) -> bool:
        """Hand over what may be sent now. Returns whether something still waits.

        Args:
            hand_over: takes a key and frames; False if they cannot be sent now.
            known: whether a key may still be sent to.
        """
        while self._new:
            item = self._new.popleft()
            item.since_ns = now_ns
            self._queue.append(item)
        left: List[_Waiting] = []
        blocked: Set[bytes] = set()
        for item in self._queue:
            if not known(item.key):
                self._gates.pop(item.key, None)
                self.given_up += 1
            elif item.key in blocked or not self._goes(item, now_ns, hand_over):
                if now_ns - item.since_ns > MAX_WAIT_NS:
                    self.given_up += 1
                    continue
                blocked.add(item.key)
                left.append(item)
        self._queue, self._bytes = left, sum(map(_size, left))
        return bool(left or self._new)

    def _goes(self, item: _Waiting, now_ns: int, hand_over: HandOver) -> bool:
        gate = self._gates.setdefault(item.key, Gate(SENDER_RATES))
        if not item.paid:
            item.paid = gate.passes(now_ns, _size(item))
        return item.paid and hand_over(item.key, item.frames)


def _size(item: _Waiting) -> int:
    return sum(map(len, item.frames))
