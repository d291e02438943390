"""Decisions on their way to devices: sent once, and again until they are answered or their window is over."""

from __future__ import annotations

from typing import Callable

from octogym.bridge.protocol import messages as m
from octogym.bridge.protocol.clock import MS, NEVER, PHASE_SHARE
from octogym.bridge.protocol.codec import Frames, encode
from octogym.bridge.protocol.record import Record
from octogym.bridge.protocol.rows import DecisionRows
from octogym.bridge.protocol.tables import encode_tables, pack


class Acts:
    """The host's side.

    Args:
        post: takes frames for a device.
    """

    def __init__(self, session: int, period_ns: int, post: Callable[[Record, Frames], None]) -> None:
        self._session, self._post = session, post
        self._patience = max(10 * MS, period_ns // PHASE_SHARE)

    def send(self, record: Record, now: int, window: int, rows: DecisionRows, override: bool) -> int:
        """Decide for a window of a device. Returns when to call `again`.

        Raises:
            ValueError: it has been decided for.
        """
        if window in record.answers:
            raise ValueError(f"device {record.device!r}: window {window} has its decision already")
        record.seq += 1
        names = ("settings", "timeout_ns", "share_milli")
        tables, payload = pack({name: getattr(rows, name) for name in names})
        act = m.Act(self._session, record.epoch, record.seq, window, encode_tables(tables), override)
        frames = encode(act, payload)
        record.decide(record.seq, window, frames, now + self._patience)
        self._post(record, frames)
        return now + self._patience

    def again(self, record: Record, now: int, window: int) -> int:
        """Send once more what waits for its answer too long, in `window`. Returns when to call again."""
        act = record.act
        if act is None:
            return NEVER
        if act.window < window:
            record.act = None
            return NEVER
        if now >= act.due_ns and not record.link_down:
            act.due_ns = now + self._patience
            self._post(record, act.frames)
        return max(now + MS, act.due_ns)
