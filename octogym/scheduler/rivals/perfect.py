"""Offloading with perfect knowledge of what comes: a linear programme per interval."""

from __future__ import annotations

import numpy as np

from octogym.cluster.backend import View
from octogym.cluster.decision import Decision
from octogym.cluster.offloading.layout import OffloadLayout
from octogym.cluster.scenario import Scenario
from octogym.cluster.topology import Cluster
from octogym.scheduler.errors import SchedulerError
from octogym.scheduler.offload.decider import LocalDecider
from octogym.scheduler.offload.policy import OffloadPolicy
from octogym.scheduler.offload.sample import PLANNED, Sample
from octogym.scheduler.policy import words
from octogym.scheduler.rivals.foresight import Foresight, foresee
from octogym.scheduler.rivals.interval import Interval, best_shares

#: Seconds that are compared with what was foreseen, and how far their means may be apart: part, objects per frame.
COMPARED, APART, SLACK = 10, 0.25, 0.5


class PerfectDecider(LocalDecider):
    """Shares of `best_shares` for the demand, links and absences that the next interval will really have.

    Args:
        interval_s: seconds that are looked ahead.
        scenario: whose plans are read; may be set later, before the first decision.
    """

    def __init__(self, interval_s: int = 15, scenario: Scenario | None = None) -> None:
        self.interval_s, self.scenario = interval_s, scenario

    def reset(self, layout: OffloadLayout, num_envs: int, seed: int) -> None:
        self._layout, self._seed = layout, seed
        self._known: dict[int, Foresight] = {}

    def decide(self, sample: Sample, e: int) -> np.ndarray:
        """
        Raises:
            SchedulerError: there is no scenario to read, its plan ends here, or the run is not what it says.
        """
        known = self._foresight(e)
        start = round(sample.t_s)
        if start >= len(known.crops):
            raise SchedulerError(
                f"policy lp-bound at second {start}: the scenario's plan ends at second {len(known.crops)}; run it no "
                "longer than its horizon"
            )
        self._check(sample, known, start)
        layout, part = self._layout, slice(start, start + self.interval_s)
        nodes = len(sample.names)
        ways = np.zeros((nodes, nodes), bool)
        for n, targets in enumerate(layout.targets.tolist()):
            ways[n, [m for m in targets if m >= 0]] = True
        ways &= sample.valid[:, None] & sample.valid
        there = known.there[part] & sample.valid
        bits = 8 * sample.crop_bytes
        return best_shares(
            Interval(
                known.crops[part] * sample.valid[: sample.agents],
                sample.capacity / PLANNED * sample.fps * there,
                ways,
                known.up[part] / bits,
                known.down[part] / bits,
                sample.queue,
            )
        )

    def _foresight(self, e: int) -> Foresight:
        if e not in self._known:
            if self.scenario is None:
                raise SchedulerError("policy lp-bound needs a backend with a scenario whose plan it can read")
            self._known[e] = foresee(self.scenario, self._layout, self._seed + e)
        return self._known[e]

    def _check(self, sample: Sample, known: Foresight, start: int) -> None:
        """What was seen last must be what was foreseen."""
        if min(sample.seen, start) < COMPARED:
            return
        seen = sample.history[: sample.agents, -COMPARED:].sum(0).mean()
        said = known.crops[start - COMPARED : start].sum(1).mean() / sample.fps
        if abs(seen - said) > APART * said + SLACK * sample.agents:
            raise SchedulerError(
                f"policy lp-bound at second {start}: {seen:.1f} objects per frame were seen, the plan of seed "
                f"{self._seed} says {said:.1f}; it must run on the simulator, from a reset without options"
            )


class LpBoundPolicy(OffloadPolicy):
    """The linear programme with perfect knowledge of the next interval's demand (ours, the yardstick: no
    published system has one).

    Every 15 s, or at an overload, as all rivals, it reads from the scenario's plan what will happen until the next
    decision and solves for the best constant shares: all routes, links and capacities as they are, no theta and no
    beta. It is the best that shares of this cadence can do with the work as a flow, one interval at a time. It is no
    bound of a real run: queues of single requests, batches that wait and bursts within a second are not in the
    programme, and neither is what follows the interval. `ideal.ideal_on_time` is the bound.

    Args:
        argument: `shares`: instance settings are left to another policy.

    Raises:
        SchedulerError: another word.
        MissingExtra: SciPy is not installed (at the first decision).
    """

    def __init__(self, argument: str | None = None) -> None:
        settings = "shares" not in words("lp-bound", argument, ("shares",))
        super().__init__(PerfectDecider(), settings=settings, correlate=False)

    def reset(self, cluster: Cluster, num_envs: int, seed: int) -> None:
        super().reset(cluster, num_envs, seed)
        assert isinstance(self.decider, PerfectDecider)
        self.decider.interval_s = round(self.loop.rhythm.period_s)
        self.decider.scenario = None

    def act(self, view: View) -> Decision:
        assert isinstance(self.decider, PerfectDecider)
        self.decider.scenario = getattr(view.backend, "scenario", None)
        return super().act(view)
