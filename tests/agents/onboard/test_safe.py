"""Safe decisions of a device."""

from __future__ import annotations

import numpy as np
import pytest

from octogym.agents.onboard import IAgentError
from octogym.agents.onboard.safe import safe_decision
from octogym.cluster.registry import load_scenario
from octogym.cluster.settings import KEEP, KEEP_SHARE


@pytest.fixture(scope="module")
def cluster():
    return load_scenario("traffic-2", traces="synthetic").cluster


def test_a_device_takes_its_own_instances_to_their_safe_settings(cluster):
    device = cluster.devices[0].id
    decision = safe_decision(cluster, device, num_envs=2)
    decision.validate(cluster, 2)
    own = np.array([instance.device == 0 for instance in cluster.instances])
    assert own.any() and not own.all()
    for s, instance in enumerate(cluster.instances):
        found = [getattr(decision, name)[1, s] for name in ("pack", "batch", "pre", "post", "timeout_ns")]
        safe = instance.safe
        expected = [safe.pack, safe.batch, safe.pre, safe.post, safe.timeout_ns]
        assert found == (expected if own[s] else [KEEP] * 5)
    assert (decision.active == KEEP).all() and (decision.share_milli == KEEP_SHARE).all()


def test_without_a_device_all_instances_are_meant(cluster):
    assert (safe_decision(cluster).batch == [[instance.safe.batch for instance in cluster.instances]]).all()


def test_an_unknown_device_is_refused(cluster):
    with pytest.raises(IAgentError, match=cluster.devices[0].id):
        safe_decision(cluster, "nowhere")
