"""How much of the second stage's work fits, whatever is decided: the bounds of octocross spec 7.5."""

from __future__ import annotations

import numpy as np

from octogym.agents.sharing import Sharing
from octogym.cluster.registry import make_backend, make_policy
from octogym.cluster.runner import Runner
from octogym.cluster.scenario import Scenario


def bounds(scenario: Scenario, seeds: range, horizon_s: float) -> dict[str, float] | None:
    """Shares of the work that sources may hand on, second by second: what their own devices sustain (`local`), what all
    of these devices sustain together (`pooled`), and with the servers (`with_servers`). A device sustains the rate of
    batch 4 beside its detectors; queues, links and deadlines are left out. None where nobody may hand work on.
    """
    sharing, cluster = Sharing(scenario), scenario.cluster
    if not sharing.groups:
        return None
    own = np.array([sharing.rate[group.targets[group.local]].sum() for group in sharing.groups])
    # A device may be at home to several sources; it works once.
    nodes = {int(t) for group in sharing.groups for t in group.targets[group.local]}
    everyone = {int(t) for group in sharing.groups for t in group.targets}
    local = pooled = with_servers = total = 0.0
    backend = make_backend("sim", scenario, num_envs=len(seeds), check=False)
    for window in Runner(backend, make_policy("static")).windows(horizon_s, seed=seeds.start):
        seconds = cluster.period_ns / 1e9
        load = sharing.load(window.telemetry.objects, window.telemetry.arrived) / seconds
        local += np.minimum(load, own).sum()
        pooled += np.minimum(load.sum(1), sharing.rate[sorted(nodes)].sum()).sum()
        with_servers += np.minimum(load.sum(1), sharing.rate[sorted(everyone)].sum()).sum()
        total += load.sum()
    backend.close()
    total = max(total, 1e-9)
    return {"local": local / total, "pooled": pooled / total, "with_servers": with_servers / total}
