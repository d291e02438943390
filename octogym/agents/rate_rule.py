"""The rate rule: a batch that the arrivals of a fraction of the SLO fill. One tuned number, and a strong rival."""

from __future__ import annotations

import math

import numpy as np

from octogym.agents.errors import PolicyError
from octogym.agents.stateless import StatelessPolicy
from octogym.cluster.backend import View
from octogym.cluster.decision import Decision
from octogym.cluster.rate import RateMeter
from octogym.cluster.topology import Cluster

#: Default fraction of the SLO; the best of a grid on training traces (benchmarks/rate_rule.py).
FRACTION = 0.35


class RateRulePolicy(StatelessPolicy):
    """batch = clip(round(rate x fraction x SLO), 1, B) for every instance, each second; halves round up.

    Rate is the six-window average of arrivals (`octogym.cluster.rate`), SLO the pipeline's, B the instance's
    largest batch. Packing and threads stay as the scenario starts them.

    Args:
        argument: the fraction, for example `0.12`; or fractions by model or stage, `0.12,car=0.2,traffic.face=0.05`.

    Raises:
        PolicyError: a fraction that is no positive number; at `reset`, a model that the cluster does not have.
    """

    def __init__(self, argument: str | None = None) -> None:
        self.fractions = _parse(argument or "")
        self._meter: RateMeter | None = None
        self._fill_s = np.zeros(0)
        self._limit = np.zeros(0, np.int64)

    def reset(self, cluster: Cluster, num_envs: int, seed: int) -> None:
        names = [(stage.model, stage.name) for stage in cluster.stages]
        for name in self.fractions:
            if name and not any(name in pair for pair in names):
                models = sorted({model for model, _ in names})
                raise PolicyError(f"policy rate-rule: no model {name!r} in {cluster.name}; it has {', '.join(models)}")
        self._fill_s = np.array(
            [self._fraction(cluster, s) * cluster.instance_slo_ns(s) / 1e9 for s in range(cluster.S)]
        )
        self._limit = np.array([instance.max_batch for instance in cluster.instances])
        self._meter = RateMeter(num_envs, cluster.S, cluster.period_ns)
        self._initial = Decision.keep(cluster, num_envs)
        for field in ("pack", "batch", "pre", "post", "timeout_ns"):
            getattr(self._initial, field)[:] = [getattr(i.initial, field) for i in cluster.instances]

    def act(self, view: View) -> Decision:
        assert self._meter is not None, "reset comes before act"
        rate = self._meter.push(view.telemetry.arrived)
        # An environment of the batch at time 0 starts an episode; what came before is forgotten.
        fresh = view.telemetry.t_ns == 0
        self._meter.reset(fresh)
        decision = self._initial.copy()
        batch = np.clip(np.floor(rate * self._fill_s + 0.5), 1, self._limit)
        decision.batch[:] = np.where(fresh[:, None], self._initial.batch, batch)
        return decision

    def _fraction(self, cluster: Cluster, s: int) -> float:
        stage = cluster.stages[cluster.instances[s].stage]
        default = self.fractions.get("", FRACTION)
        return self.fractions.get(stage.name, self.fractions.get(stage.model, default))


def _parse(argument: str) -> dict[str, float]:
    fractions: dict[str, float] = {}
    for item in filter(None, (part.strip() for part in argument.split(","))):
        model, _, text = item.rpartition("=")
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not 0 < value < math.inf:
            raise PolicyError(f"policy rate-rule: {item!r}: expected FRACTION or MODEL=FRACTION, a positive number")
        fractions[model.strip()] = value
    return fractions
