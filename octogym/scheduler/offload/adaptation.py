"""Online adaptation of one cluster (OctoCross, Algorithm 1): collect, train when devices came or went, swap weights."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from octogym.cluster.draws import POLICY, key_of
from octogym.scheduler.offload.collected import Collected, Recent, Site
from octogym.scheduler.offload.devices import Change, Patience, State
from octogym.scheduler.offload.finetune import Background, Outcome, Request, Tunable, Tuning

#: Seconds of samples that are learned from at least, where there are so many: the published grace period.
LEAST_S = 150.0


class Adaptation:
    """Environment ``e`` of a run: what it collects, its trainings, and what came of them.

    A device that was given up is unlearned on the samples of the grace period, a new one learned on those of its
    collection (`LEAST_S` at least); the loop goes on meanwhile with the masked model. New weights are adopted if they
    are not worse than the old ones on the last part of the samples, which they were not trained on.

    Args:
        seed: of the environment.
    """

    def __init__(self, decider: Tunable, e: int, site: Site, patience: Patience, tuning: Tuning, seed: int) -> None:
        self._decider, self._e, self._site, self._patience, self._seed = decider, e, site, patience, seed
        self._collected = Collected(len(site.names))
        self.background = Background(tuning)
        self._started = 0
        #: What became of every request.
        self.outcomes: list[Outcome] = []

    def second(
        self,
        now_s: float,
        load: np.ndarray,
        there: np.ndarray,
        up_bps: np.ndarray,
        down_bps: np.ndarray,
        changes: Sequence[Change],
    ) -> None:
        """One second of the loop: a sample, each [M], and what changed. Weights change here, between decisions."""
        self._collected.push(load, there, up_bps, down_bps)
        added = tuple(c.name for c in changes if c.before is State.NEW and c.after is State.ACTIVE)
        removed = tuple(c.name for c in changes if c.after is State.REMOVED)
        if added or removed:
            self.background.ask(Request(added, removed, now_s))
        self._settle(now_s)
        request = self.background.next()
        if request is not None:
            self._start(now_s, request)
            self._settle(now_s)

    def stop(self) -> None:
        """Give up what runs, and go back to the weights of the start."""
        self.background.stop()
        self._decider.forget(self._e)

    def _start(self, now_s: float, request: Request) -> None:
        span_s = max(self._patience.grace_s, LEAST_S)
        if request.added:
            span_s = max(span_s, self._patience.collection_s)
        recent: Recent = self._collected.recent(int(span_s))
        seed = int(key_of(self._seed, int(POLICY), self._started) >> np.uint64(33))
        self._started += 1
        decider, e, site = self._decider, self._e, self._site
        self.background.start(now_s, lambda stop: decider.tune(e, request, site, recent, seed, stop))

    def _settle(self, now_s: float) -> None:
        found = self.background.poll(now_s)
        if found is None:
            return
        request, trial = found
        if trial.better:
            self._decider.adopt(self._e, trial.learned)
        self.outcomes.append(Outcome(request, now_s, trial.better, trial.before, trial.after, trial.problem))
