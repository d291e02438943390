"""The fluid bound of an episode: no policy is above it, and simple cases are as they must be."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from octogym.cluster.offloading.layout import OffloadLayout, sustained_rates
from octogym.cluster.registry import make_backend
from octogym.cluster.runner import Runner
from octogym.scheduler.offload.local import NonePolicy
from octogym.scheduler.rivals.foresight import foresee
from octogym.scheduler.rivals.ideal import ideal_on_time
from octogym.scheduler.rivals.perfect import LpBoundPolicy

pytest.importorskip("scipy")


@pytest.mark.parametrize("policy", [NonePolicy, LpBoundPolicy])
def test_no_run_is_above_it(campus, policy):
    backend = make_backend("sim", campus)
    run = Runner(backend, policy()).run(campus.horizon_s, seed=1).episode(0)
    backend.close()
    ideal = ideal_on_time(campus, seed=1)
    # Counts are rounded by chance: what was made may be a little more than its mean.
    made = run.figures()["generated"] / campus.horizon_s
    foreseen = foresee(campus, OffloadLayout(campus.cluster), 1).results.sum() / campus.horizon_s
    assert run.figures()["effective_throughput"] <= ideal * max(1.0, made / foreseen) * 1.005
    assert ideal <= foreseen + 1e-6


def test_all_is_served_where_all_fits_and_no_more_than_fits(campus):
    def times(factor):
        table = replace(campus.counts, counts=(campus.counts.counts * factor).astype(np.int16))
        return replace(campus, counts=table, horizon_s=30)

    layout = OffloadLayout(campus.cluster)
    little, much = times(0.3), times(20)
    assert ideal_on_time(little, 0) == pytest.approx(foresee(little, layout, 0).results.sum() / 30)
    most = sustained_rates(campus.cluster, layout.node_of >= 0, pause_ns=0).sum()
    assert 0.9 * most <= ideal_on_time(much, 0) <= most * (1 + 0.2 / 30)
