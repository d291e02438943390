"""FCPO's agents and a policy that sets shares run together, without an environment and on the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from octogym.agents.fcpo import FcpoPlusPolicy
from octogym.agents.fcpo.file import write_fcpo
from octogym.cli import main
from octogym.cluster.backend import Policy, View
from octogym.cluster.decision import Decision
from octogym.cluster.offloading.layout import OffloadLayout
from octogym.cluster.offloading.shares import RouteShares
from octogym.cluster.registry import load_scenario, make_backend, make_policy
from octogym.cluster.runner import PolicyConflict, Runner
from octogym.cluster.scenario import Scenario
from octogym.cluster.topology import Cluster
from octogym.envs import rack_v0
from octogym.scheduler.offload.decider import LocalDecider
from octogym.scheduler.offload.policy import OffloadPolicy
from octogym.scheduler.offload.sample import Sample

SECONDS = 20


class HalfAway:
    """Half of the crops stay, half go to the server; every 3 s, without a word about settings."""

    scope, period_s = "cluster", 3.0

    def reset(self, cluster: Cluster, num_envs: int, seed: int) -> None:
        self._cluster, self._E = cluster, num_envs
        self.layout = OffloadLayout(cluster)
        self._routes, self.rewards = RouteShares(self.layout), 0
        self._weight = np.zeros((num_envs, self.layout.N, self.layout.T))
        self._weight[:, :, [0, -1]] = 0.5

    def act(self, view: View) -> Decision:
        usable = self._routes.usable(view.telemetry.present, view.telemetry.active)
        decision = Decision.keep(self._cluster, self._E)
        decision.share_milli[:, self.layout.owned] = self._routes.milli(self._weight, usable)
        return decision

    def feedback(self, reward: np.ndarray, view: View) -> None:
        self.rewards += 1

    def state_dict(self) -> dict[str, np.ndarray]:
        return {}

    def load(self, state: dict[str, np.ndarray]) -> None: ...


class HalfToServer(LocalDecider):
    """The same as a decider of the scheduling loop."""

    def decide(self, sample: Sample, e: int) -> np.ndarray:
        shares = np.eye(len(sample.names))
        server = int(np.flatnonzero(sample.servers)[0])
        for n in range(sample.agents):
            if sample.edges[n, server]:
                shares[n, n], shares[n, server] = 0.5, 0.5
        return shares


@pytest.fixture(scope="module")
def rack() -> Scenario:
    return load_scenario("campus-16-rack", traces="synthetic")


@pytest.fixture(scope="module")
def checkpoint(rack: Scenario, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Agents of all 33 instances that have lived for a few seconds."""
    policy = FcpoPlusPolicy()
    for _ in Runner(make_backend("sim", rack), policy).windows(3):
        pass
    members = {rack.cluster.instances[s].id: stack.get(i) for _, s, stack, i in policy.population.members()}
    return write_fcpo(tmp_path_factory.mktemp("fcpo") / "policy.safetensors", policy.settings, members, {}, {})


@pytest.mark.parametrize("make", [HalfAway, lambda: OffloadPolicy(HalfToServer(), settings=False)])
def test_fcpo_sets_batches_and_the_other_shares(rack: Scenario, checkpoint: Path, make: Callable[[], Policy]) -> None:
    batching, sharing = make_policy(f"fcpo-plus:{checkpoint}"), make()
    runner = Runner(make_backend("sim", rack), [batching, sharing])
    packed, routes = set(), RouteShares(OffloadLayout(rack.cluster))
    for window in runner.windows(SECONDS, seed=4):
        t = window.telemetry
        assert not t.set_by.any()
        packed.add(tuple(t.batch[0].tolist()))
    # All send half to the server, or nothing where the loop finds that the link would not carry it.
    away = routes.in_force(t.share_milli)[0, :, -1]
    assert set(away.tolist()) <= {0.0, 0.5} and away.sum() > 4
    # FCPO explores: its batches differ from second to second.
    assert len(packed) > SECONDS // 2 and t.sent_bytes[0, :16].sum() > 0


def test_two_owners_of_settings_are_refused(rack: Scenario, checkpoint: Path) -> None:
    policies = [make_policy(f"fcpo-plus:{checkpoint}"), OffloadPolicy(HalfToServer())]
    with pytest.raises(PolicyConflict, match=r"both set pack of node01/campus\.yolov5n"):
        next(Runner(make_backend("sim", rack), policies, names=["fcpo", "offload"]).windows(2))


def test_the_environment_gives_the_policies_what_the_runner_gives(rack: Scenario) -> None:
    """A fixed batch and half of the crops away: the same counters with agents as with policies."""
    runner = Runner(make_backend("sim", rack), [make_policy("static:batch=2"), HalfAway()])
    env = rack_v0.parallel_env(scenario=rack, horizon=SECONDS, interrupt=False)
    env.reset(seed=4)
    half = np.array([0, -1, -1, -1, -1, 0])
    actions: dict[str, Any] = dict.fromkeys(env.instance_agents, np.array([0, 1, 0]))
    actions.update(dict.fromkeys(env.device_agents, half))
    for window in runner.windows(SECONDS, seed=4):
        *_, infos = env.step(actions)
        assert infos["node01"]["results_on_time"] == window.telemetry.on_time_results.sum()
        for s, agent in enumerate(env.instance_agents):
            assert infos[agent]["completed"] == window.telemetry.completed[0, s]


def test_run_takes_both(checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OCTOGYM_CACHE", str(tmp_path / "cache"))
    out = tmp_path / "out"
    command = ["run", "campus-16-rack", "--traces", "synthetic", "--horizon", "5", "--seed", "0", "--out", str(out)]
    policies = ["--policy", f"fcpo-plus:{checkpoint},frozen", "--policy", "none:shares"]
    assert main([*command, *policies, "--no-plots", "--no-parquet"]) == 0
    assert json.loads((out / "summary.json").read_text())["policies"]
