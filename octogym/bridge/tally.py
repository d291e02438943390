"""What has happened since a rack was opened."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from octogym.bridge.protocol.facts import BYE, JOINING, NodeFacts


@dataclass
class Tally:
    """Counts of a rack's steps and faults.

    `steps`: calls of step(). `late_steps`: those that came when their window was over. `skipped`: windows that passed
    without a decision of ours because of that. `faults`: how often a device fell into each fault; leaving on purpose
    and joining are none.
    """

    steps: int = 0
    late_steps: int = 0
    skipped: int = 0
    faults: Counter[str] = field(default_factory=Counter)

    def step(self, windows: int) -> None:
        """A call of step() that covers so many windows."""
        self.steps += 1
        self.late_steps += windows > 1
        self.skipped += windows - 1

    def see(self, before: Mapping[str, NodeFacts], now: Mapping[str, NodeFacts]) -> None:
        """What is known of each device, and what was known of it a step before."""
        for device, facts in now.items():
            if facts.fault and facts.fault not in (BYE, JOINING):
                self.faults[facts.fault] += device not in before or before[device].fault != facts.fault
