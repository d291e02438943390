"""FCPO on a cluster: who sits where, what it learns from, checkpoints."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from octogym.agents.errors import PolicyError
from octogym.agents.fcpo import FcpoPlusPolicy, FcpoPolicy
from octogym.agents.fcpo.file import read_fcpo, write_fcpo
from octogym.agents.fcpo.population import Population
from octogym.agents.fcpo.settings import FcpoSettings
from octogym.agents.onboard import IAgentConfig
from octogym.cluster.registry import load_scenario, make_backend, make_policy
from octogym.cluster.runner import Runner
from octogym.cluster.tensor_file import TensorFileError
from octogym.testing import check_policy
from tests.cluster import small_scenario

SHORT = FcpoSettings(IAgentConfig(steps=10, capacity=8))


@pytest.fixture(scope="module")
def scenario():
    return load_scenario("scale-6")


def trained(path: Path, policy: FcpoPolicy) -> Path:
    """A checkpoint of the policy's agents, system 0."""
    cluster = policy.population.cluster
    agents = {cluster.instances[s].id: stack.get(i) for k, s, stack, i in policy.population.members() if k == 0}
    return write_fcpo(path, policy.settings, agents, {}, {})


@pytest.mark.parametrize("make", [FcpoPolicy, FcpoPlusPolicy, lambda: FcpoPolicy(settings=SHORT)])
def test_it_keeps_the_rules_of_policies(make) -> None:
    check_policy(make, "traffic-2", steps=25)


def test_names_stand_for_it() -> None:
    assert isinstance(make_policy("fcpo"), FcpoPolicy)
    assert make_policy("fcpo-plus").settings == FcpoSettings.plus() != FcpoSettings()
    assert not make_policy("fcpo:frozen").learning


def test_agents_sit_in_stacks_by_their_sizes(tmp_path: Path) -> None:
    cluster = load_scenario(str(small_scenario.write(tmp_path))).cluster
    population = Population(cluster, 2, 3, IAgentConfig(), [7, 8])
    seen = {}
    for group in population.groups:
        for k, s, stack, i in population.members():
            if stack is group.stack:
                assert cluster.instances[s].action_sizes == group.sizes
                seen[k, s] = stack.get(i)["backbone.w1"]
    assert set(seen) == {(k, s) for k in range(2) for s in range(cluster.S)}
    assert len({array.tobytes() for array in seen.values()}) == len(seen)
    values = np.arange(6 * cluster.S).reshape(6, cluster.S)
    back = np.zeros_like(values)
    for group in population.groups:
        rows = population.rows_of(group, values)
        width = len(group.columns)
        for i in range(2 * width):
            k, c = divmod(i, width)
            assert np.array_equal(rows[i], values[3 * k : 3 * k + 3, group.columns[c]])
        population.scatter(group, rows, back)
    assert np.array_equal(back, values)


def test_an_agent_begins_alike_whatever_is_beside_it(scenario) -> None:
    cluster = scenario.cluster
    both, alone = Population(cluster, 2, 1, IAgentConfig(), [3, 4]), Population(cluster, 1, 1, IAgentConfig(), [4])
    ours = {s: stack.get(i) for k, s, stack, i in both.members() if k == 1}
    for _, s, stack, i in alone.members():
        assert all(np.array_equal(array, ours[s][name]) for name, array in stack.get(i).items())


def test_it_learns_at_the_end_of_each_episode(scenario) -> None:
    policy, updates = FcpoPolicy(settings=SHORT), []
    policy.on_updates = updates.append
    backend = make_backend("sim", scenario, num_envs=2)
    before = None
    for window in Runner(backend, policy).windows(31):
        if window.step == 0:
            before = policy.population.groups[0].stack.get(0)
    assert len(updates) == 3 and all(len(one) == 2 * backend.cluster.S for one in updates)
    assert {(u.system, u.instance) for u in updates[0]} == {(k, s) for k in range(2) for s in range(backend.cluster.S)}
    after = policy.population.groups[0].stack.get(0)
    assert any(not np.array_equal(after[name], before[name]) for name in after)
    # The reward that it reports is the mean of Eq. 1 over its own episode.
    assert all(np.isfinite(u.reward) and -1 <= u.reward <= 1 for one in updates for u in one)


def test_frozen_agents_do_not_change(scenario, tmp_path: Path) -> None:
    policy = FcpoPolicy(settings=SHORT)
    policy.reset(scenario.cluster, 1, 0)
    file = trained(tmp_path / "a.safetensors", policy)
    frozen = make_policy(f"fcpo:{file},frozen")
    for _ in Runner(make_backend("sim", scenario), frozen).windows(25, seed=3):
        pass
    learned = {s: (stack, i) for _, s, stack, i in frozen.population.members()}
    for _, s, stack, i in policy.population.members():
        other, j = learned[s]
        assert all(np.array_equal(array, other.get(j)[name]) for name, array in stack.get(i).items())


def test_a_checkpoint_gives_every_instance_its_agent(scenario, tmp_path: Path) -> None:
    policy = FcpoPolicy(settings=SHORT, seeds=[5])
    policy.reset(scenario.cluster, 1, 0)
    file = trained(tmp_path / "a.safetensors", policy)
    assert read_fcpo(file).settings == SHORT
    again = FcpoPolicy(str(file))
    again.reset(scenario.cluster, 2, 9)
    ours = {s: stack.get(i) for _, s, stack, i in policy.population.members()}
    for _, s, stack, i in again.population.members():
        assert all(np.array_equal(array, ours[s][name]) for name, array in stack.get(i).items())


def test_an_agent_that_is_new_starts_from_the_federations_model(scenario, tmp_path: Path) -> None:
    policy = FcpoPolicy(settings=SHORT)
    policy.reset(scenario.cluster, 1, 0)
    _, s, stack, i = next(policy.population.members())
    model = {
        f"backbone@x/{name}": np.full_like(array, 0.25) for name, array in stack.get(i).items() if "backbone" in name
    }
    agents = {scenario.cluster.instances[s].id: stack.get(i)}
    file = write_fcpo(tmp_path / "a.safetensors", SHORT, agents, model, {})
    warm = FcpoPolicy(str(file))
    warm.reset(scenario.cluster, 1, 0)
    for _, other, found, j in warm.population.members():
        weights = found.get(j)["backbone.w1"]
        assert np.array_equal(weights, stack.get(i)["backbone.w1"]) if other == s else (weights == 0.25).all()
    none = write_fcpo(tmp_path / "b.safetensors", SHORT, agents, {}, {})
    with pytest.raises(PolicyError, match="no agent for"):
        FcpoPolicy(str(none)).reset(scenario.cluster, 1, 0)


def test_damaged_files_are_refused(tmp_path: Path, scenario) -> None:
    file = tmp_path / "a.safetensors"
    policy = FcpoPolicy(settings=SHORT)
    policy.reset(scenario.cluster, 1, 0)
    trained(file, policy)
    file.write_bytes(file.read_bytes()[:-7])
    with pytest.raises(TensorFileError, match=r"a\.safetensors"):
        make_policy(f"fcpo:{file}")
    with pytest.raises(TensorFileError):
        make_policy(f"fcpo:{tmp_path / 'none.safetensors'}")
    with pytest.raises(PolicyError, match="expected FILE"):
        make_policy("fcpo:frozen,x")


def test_fill_is_a_share_of_the_slo(scenario) -> None:
    """With "fill" the same choice is a batch that grows with the rate and stays within the instance's largest."""
    settings = replace(SHORT, batch="fill", longest_fill=0.8)
    policy = FcpoPolicy(settings=settings)
    backend = make_backend("sim", scenario)
    for window in Runner(backend, policy).windows(40, seed=1):
        batch = window.decision.batch
    slo_s = np.array([backend.cluster.instance_slo_ns(s) / 1e9 for s in range(backend.cluster.S)])
    largest = np.array([i.max_batch for i in backend.cluster.instances])
    assert (batch >= 1).all() and (batch <= largest).all()
    assert (batch <= np.maximum(1, np.ceil(window.rate * slo_s * 0.8))).all()


def test_the_price_is_felt_only_where_work_is_late() -> None:
    """Nobody pays for small batches on a GPU without late work; where work is late, small batches cost more."""
    from octogym.agents.fcpo.signals import Signals
    from octogym.cluster.backend import View

    backend = make_backend("sim", load_scenario("traffic-2"))
    t = backend.reset(0).copy()
    S = backend.cluster.S
    signals = Signals(backend.cluster, replace(SHORT, reward="on-time", latency_weight=0.0, price=1.0))
    view = View(t, backend.cluster, 1, np.ones((1, S), bool), np.ones((1, S), bool))
    t.completed[:], t.on_time[:], t.batch[:] = 10, 10, 1
    assert np.allclose(signals.reward(np.zeros((1, S), np.float32), view), 1.0)
    t.on_time[:] = 5
    small = signals.reward(np.zeros((1, S), np.float32), view)
    t.batch[:] = [[i.max_batch for i in backend.cluster.instances]]
    large = signals.reward(np.zeros((1, S), np.float32), view)
    assert np.allclose(small, 0.0) and (large > small).all()


@pytest.mark.parametrize("change", [{"batch": "x"}, {"observation": ""}, {"reward": "r"}, {"price": -1.0}])
def test_settings_are_checked(change) -> None:
    with pytest.raises(PolicyError, match=next(iter(change))):
        FcpoSettings(**change)
