"""Deciders for tests of the loop."""

from __future__ import annotations

import numpy as np

from octogym.scheduler.octocross.projection import project, shares
from octogym.scheduler.offload.decider import LocalDecider
from octogym.scheduler.offload.finetune import Trial


class Even(LocalDecider):
    """An equal part to every edge and to itself; keeps its samples."""

    def __init__(self) -> None:
        self.samples = []

    def decide(self, sample, e):
        self.samples.append((e, sample))
        ways = sample.edges | np.eye(len(sample.names), dtype=bool)
        return ways / ways.sum(1, keepdims=True)


class Water(LocalDecider):
    """The projection without scores: what is too much goes to all who have room."""

    def decide(self, sample, e):
        load, none = sample.load, np.zeros(sample.edges.shape)
        return shares(project(none, load, 0.8 * sample.capacity, sample.edges, sample.servers), load)


class Learner(Even):
    """Sends nothing until it was trained `after` an error of 1; keeps what it was asked."""

    def __init__(self, after: float = 0.5) -> None:
        super().__init__()
        self.after, self.learned, self.asked = after, {}, []

    def decide(self, sample, e):
        even = super().decide(sample, e)
        return even if e in self.learned else np.eye(len(sample.names))

    def tune(self, e, request, site, recent, seed, stop):
        self.asked.append((e, request, recent, seed))
        return Trial(("weights", seed), 1.0, self.after)

    def adopt(self, e, learned):
        self.learned[e] = learned

    def forget(self, e):
        self.learned.pop(e, None)
