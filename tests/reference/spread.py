"""Which route of a group the next request takes (contract, section 5)."""

from __future__ import annotations

from fractions import Fraction


class Tijdeman:
    """After any n requests every route has had its share of them to within less than 1."""

    def __init__(self, shares: list[int]) -> None:
        self.shares = shares
        self.n = 0
        self.counts = [0] * len(shares)

    def next(self) -> int:
        """Index of the route in its group."""
        if len(self.shares) == 1:
            return 0
        if self.n == 1000:
            self.n, self.counts = 0, [0] * len(self.shares)
        self.n += 1
        used = [r for r, share in enumerate(self.shares) if share > 0]
        chosen = used[0] if len(used) == 1 else self._most_urgent(used)
        self.counts[chosen] += 1
        return chosen

    def _most_urgent(self, used: list[int]) -> int:
        scale = 2 * len(used) - 2
        owed = {r: (self.shares[r] * self.n - 1000 * self.counts[r]) * scale for r in used}
        eligible = [r for r in used if owed[r] >= 1000]
        return min(eligible, key=lambda r: (Fraction(1000 * scale - 1000 - owed[r], self.shares[r]), r))


class SmoothWeightedRoundRobin:
    """Every route gains its share, the richest is taken and pays 1000."""

    def __init__(self, shares: list[int]) -> None:
        self.shares = shares
        self.credit = [0] * len(shares)

    def next(self) -> int:
        """Index of the route in its group."""
        for r, share in enumerate(self.shares):
            self.credit[r] += share
        chosen = max(range(len(self.shares)), key=lambda r: (self.credit[r], -r))
        self.credit[chosen] -= 1000
        return chosen


SPREADERS = {"tijdeman": Tijdeman, "wrr": SmoothWeightedRoundRobin}
