"""The offline world of BCEdge."""

from __future__ import annotations

import math

import numpy as np
import pytest

from octogym.agents.bcedge import network
from octogym.train.bcedge.world import World, models_of
from octogym.train.settings import SettingError


@pytest.fixture
def world(scenario):
    return World(scenario.cluster, "orin-nano", network.INPUTS, "images")


def reward(world, model, batch, concurrency=1, noise=0.0):
    action = np.array([[batch - 1, concurrency - 1, 0]])
    return float(world.reward(np.array([model]), world.states[[model]], action, np.array([noise]))[0])


def test_the_reward_is_that_of_the_profile(world, scenario):
    # Detector first: 6 ms pre, 1.5 ms post; the SLO is 100 ms.
    profile = scenario.cluster.instances[2].profile
    for batch in (1, 2, 8):
        latency = (profile.pre_ns + profile.infer_ns[batch - 1] + profile.post_ns) / 1e9
        assert latency < 0.1
        assert reward(world, 0, batch) == pytest.approx(math.log(batch / latency / (latency / 0.1)) / 25, abs=1e-6)
    noisy = (profile.pre_ns + profile.infer_ns[0] + profile.post_ns) / 1e9 + 2e-4
    assert reward(world, 0, 1, noise=2e-4) == pytest.approx(math.log(1 / noisy / (noisy / 0.1)) / 25, abs=1e-6)


def test_a_batch_beyond_the_models_largest_is_its_largest(world):
    assert reward(world, 0, 64) == reward(world, 0, 8) != reward(world, 0, 7)


def test_two_instances_slow_each_other_down(world, scenario):
    profile = scenario.cluster.instances[2].profile
    latency = (profile.pre_ns + 2.2 * profile.infer_ns[1] + profile.post_ns) / 1e9
    assert reward(world, 0, 2, 2) == pytest.approx(math.log(4 / latency / (latency / 0.1)) / 25, abs=1e-6)


def test_beyond_the_slo_the_reward_decays(world, scenario):
    profile = scenario.cluster.instances[2].profile
    latency = (profile.pre_ns + 2.2 * profile.infer_ns[7] + profile.post_ns) / 1e9
    assert latency > 0.1 and reward(world, 0, 8, 2) == pytest.approx(math.exp(-latency) / 25, abs=1e-6)


def test_throughput_in_batches_favours_the_smallest(scenario):
    published = World(scenario.cluster, "rtx3090-server", network.INPUTS, "batches")
    ours = World(scenario.cluster, "rtx3090-server", network.INPUTS, "images")
    assert np.argmax([reward(published, 0, b) for b in range(1, 65)]) == 0
    assert np.argmax([reward(ours, 0, b) for b in range(1, 65)]) + 1 == 9


def test_draws_are_of_all_models_with_a_slo_near_their_own(world):
    model, state = world.draw(1000, np.random.default_rng(0))
    assert set(model.tolist()) == {0, 1} and state.dtype == np.float32
    assert np.array_equal(state[:, :4], world.states[model, :4])
    jitter = state[:, 4] - 0.1
    assert 4e-6 < np.abs(jitter).max() < 5.1e-6 and jitter.min() < 0 < jitter.max()


def test_models_have_numbers_and_inputs(scenario):
    assert list(models_of(scenario.cluster, {})) == sorted(network.INPUTS)
    more = models_of(scenario.cluster, {"bus": (3, 100, 200)})
    assert more["bus"] == (3, 100, 200) and list(more) == sorted(more)
    with pytest.raises(SettingError, match=r"inputs\['bus'\] = \(3, 0, 1\)"):
        models_of(scenario.cluster, {"bus": (3, 0, 1)})
