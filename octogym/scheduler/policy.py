"""What cluster schedulers have in common: they watch every second and decide at long intervals."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from octogym.cluster.backend import View
from octogym.cluster.decision import Decision
from octogym.cluster.topology import Cluster
from octogym.scheduler.deployment import Deployment
from octogym.scheduler.errors import SchedulerError
from octogym.scheduler.estimate import Links
from octogym.scheduler.history import History
from octogym.scheduler.layout import Layout
from octogym.scheduler.rates import StageRates, measured_rates, nominal_rates

#: Seconds between two schedules; the same for all schedulers (decision D1).
PERIOD_S = 300.0
#: Rate that every link is taken to have before any is measured, bit/s; the published runs begin with it (fcpo spec
#: 7.11). A link that is faster at the start counts as fast as it is; a single sample of a slower one says little.
NOMINAL_BIT_PER_S = 50e6


def words(policy: str, argument: str | None, allowed: Collection[str]) -> list[str]:
    """The words of an argument, separated by commas.

    Raises:
        SchedulerError: a word that is not among the allowed ones.
    """
    found = [word.strip() for word in (argument or "").split(",") if word.strip()]
    for word in found:
        if word not in allowed:
            raise SchedulerError(f"policy {policy}: {word!r}: expected one of {', '.join(allowed)}")
    return found


@dataclass
class Known:
    """What a scheduler knows of one environment when it decides.

    `rates`: requests/s by stage of each stream. `arrivals`: float64 [S], the largest of the mean arrivals/s over 15, 30
    and 60 s, zeros before anything is known. `seconds`: time since the start.
    """

    e: int
    seconds: float
    rates: list[StageRates]
    arrivals: np.ndarray
    links: Links


class SchedulerPolicy:
    """A `Policy` that decides for the whole cluster every `schedule_s` seconds and keeps its decision in between.

    It is asked every second, only to keep the last minute's arrivals and bandwidths; between decisions it returns a
    decision that keeps everything, and whoever merges policies restates what stands (`octogym.cluster.runner.Merger`).
    Nothing but telemetry of past windows and the cluster is used. Subclasses state `plan`, and `between` if they act
    between schedules.

    Args:
        schedule_s: seconds between two schedules; inf: one at the start only.
        timeout_ns: of every instance's batches; 0: full batches only, `DEADLINE`: in time for the SLO.
        settings: whether batch sizes and threads are set, too; without them another policy may set them.
    """

    scope = "cluster"
    period_s = 1.0
    #: Seconds between two calls of `between`; inf: never.
    look_s = math.inf

    def __init__(self, schedule_s: float = PERIOD_S, timeout_ns: int = 0, settings: bool = True) -> None:
        self.schedule_s, self.timeout_ns, self.settings = schedule_s, timeout_ns, settings

    def reset(self, cluster: Cluster, num_envs: int, seed: int) -> None:
        self.layout = Layout(cluster)
        self._histories = [History() for _ in range(num_envs)]
        self._due_s = np.full(num_envs, -np.inf)
        self._look_s = np.full(num_envs, np.inf)
        self._nominal = [nominal_rates(self.layout, stream) for stream in self.layout.streams]

    def plan(self, known: Known) -> Deployment:
        """A new schedule."""
        raise NotImplementedError

    def between(self, known: Known) -> Deployment | None:
        """What to change between two schedules, asked for every `look_s` seconds; None: nothing."""
        return None

    def act(self, view: View) -> Decision:
        telemetry = view.telemetry
        decision = Decision.keep(view.cluster, len(telemetry.t_ns))
        for e in range(len(telemetry.t_ns)):
            if telemetry.t_ns[e] == 0:  # an episode begins; what came before is forgotten
                self._histories[e], self._due_s[e] = History(), -np.inf
            self._histories[e].push(telemetry, e)
            now_s = int(telemetry.t_ns[e]) / 1e9
            if now_s >= self._due_s[e]:
                self._due_s[e] = now_s + self.schedule_s
                self._write(decision, e, self.plan(self._known(view, e, now_s)))
                self._look_s[e] = now_s + self.look_s
            elif now_s >= self._look_s[e]:
                self._look_s[e] = now_s + self.look_s
                changed = self.between(self._known(view, e, now_s))
                if changed is not None:
                    self._write(decision, e, changed)
        return decision

    def _known(self, view: View, e: int, now_s: float) -> Known:
        history = self._histories[e]
        if not history.knows_rates:
            start = Links(view.cluster, np.maximum(history.bandwidth(), NOMINAL_BIT_PER_S))
            return Known(e, now_s, self._nominal, np.zeros(view.cluster.S), start)
        links = Links(view.cluster, history.bandwidth())
        rates = measured_rates(self.layout, history, view.telemetry.share_milli[e])
        return Known(e, now_s, rates, history.peak_rates(), links)

    def _write(self, decision: Decision, e: int, deployment: Deployment) -> None:
        decision.active[e] = deployment.active
        decision.share_milli[e] = deployment.share_milli
        if self.settings:
            decision.batch[e] = deployment.batch
            decision.pack[e] = decision.pre[e] = decision.post[e] = 1
            decision.timeout_ns[e] = self.timeout_ns

    def feedback(self, reward: np.ndarray, view: View) -> None:
        """Reward is ignored."""

    def state_dict(self) -> dict[str, np.ndarray]:
        """Empty: there are no weights."""
        return {}

    def load(self, state: dict[str, np.ndarray]) -> None:
        """ValueError if there is anything to load."""
        if state:
            raise ValueError(f"{type(self).__name__} has no weights; given: {', '.join(sorted(state))}")
