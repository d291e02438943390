"""When step() returns: at the same time after each window's end, as far as the devices' reports allow."""

from __future__ import annotations

from collections import deque

#: Steps that are looked back on, and from how many times their median on one is a stall, which no other step waits for.
_LOOK_BACK, _STALL = 64, 1.5
#: Steps before anything is known.
_FEW = 8
#: By which share of what is too much the time shrinks in a step.
_SHRINK = 16


class Pace:
    """Holds steps back so that their period is steady.

    Reports of a window take a little longer in one than in another. A policy that gets them always at the time at which
    nearly all have come in sees a steady period, and is later by that little: the largest lateness of the last steps,
    where those that are stalls (beyond one and a half times the median) do not count.

    Args:
        most_ns: longer after a window's end nobody is held.
    """

    def __init__(self, most_ns: int) -> None:
        self.most_ns = most_ns
        self._late: deque[int] = deque(maxlen=_LOOK_BACK)
        #: When steps return, counted from their window's end.
        self.hold_ns = 0

    def hold(self, late_ns: int) -> int:
        """A step has everything `late_ns` after its window's end. Returns how much longer it is to wait."""
        self._late.append(late_ns)
        if len(self._late) < _FEW:
            return 0
        ordered = sorted(self._late)
        stall = _STALL * ordered[len(ordered) // 2]
        usual = min(self.most_ns, max(late for late in ordered if late <= stall))
        if usual >= self.hold_ns:
            self.hold_ns = usual
        else:
            self.hold_ns -= (self.hold_ns - usual) // _SHRINK
        return max(0, self.hold_ns - late_ns)
