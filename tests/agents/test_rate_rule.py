"""The rate rule."""

from __future__ import annotations

import numpy as np
import pytest

from octogym.agents.errors import PolicyError
from octogym.agents.rate_rule import RateRulePolicy
from octogym.cluster.rate import RateMeter
from octogym.cluster.registry import make_backend
from octogym.cluster.runner import Runner

from .conftest import play


@pytest.mark.parametrize(
    ("argument", "fractions"), [("0.1", [0.1] * 5), ("0.1,platedet=0.3", [0.1, 0.3, 0.1, 0.3, 0.1])]
)
def test_the_batch_is_what_a_fraction_of_the_slo_fills(scenario, argument, fractions):
    runner = Runner(make_backend("sim", scenario, num_envs=2), RateRulePolicy(argument))
    cluster = scenario.cluster
    limit = np.array([i.max_batch for i in cluster.instances])
    fill_s = np.array(fractions) * [cluster.instance_slo_ns(s) / 1e9 for s in range(cluster.S)]
    meter = RateMeter(2, cluster.S)
    expected = np.ones((2, cluster.S))
    seen = set()
    for window in runner.windows(80, seed=1):
        assert np.array_equal(window.decision.batch, expected)
        rate = meter.push(window.telemetry.arrived)
        expected = np.clip(np.floor(rate * fill_s + 0.5), 1, limit)
        seen |= set(expected[:, -1])
    assert len(seen) > 2


def test_a_new_episode_of_one_environment_starts_afresh(scenario):
    backend, policy = make_backend("sim", scenario, num_envs=2), RateRulePolicy()
    runner = Runner(backend, policy)
    windows = runner.windows(40, seed=0)
    for _ in range(20):
        window = next(windows)
    assert window.decision.batch[1, -1] > 1
    backend.reset(9, mask=np.array([False, True]))
    window = next(windows)
    assert window.decision.batch[1, -1] == 1 and window.decision.batch[0, -1] > 1


def test_it_leaves_packing_and_threads_alone(scenario):
    (episode,) = play(scenario, RateRulePolicy(), 10)
    assert all((episode.instances[name] == 1).all() for name in ("pack", "pre", "post"))


@pytest.mark.parametrize("argument", ["0", "-1", "much", "inf", "car=", "platedet=x"])
def test_a_fraction_is_a_positive_number(argument):
    with pytest.raises(PolicyError, match="expected FRACTION or MODEL=FRACTION"):
        RateRulePolicy(argument)


def test_a_model_that_is_not_there_is_refused(cluster):
    with pytest.raises(PolicyError, match=r"no model 'bus' in traffic-2; it has carbrand, platedet, yolov5n"):
        RateRulePolicy("bus=0.1").reset(cluster, 1, 0)
