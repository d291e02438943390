"""What a learner is told of devices that are not heard well, on a rack as in the simulator."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("numba")

from octogym.cluster.registry import load_scenario, make_policy
from octogym.cluster.runner import Runner
from octogym.envs import batching_v0, offload_v0, rack_v0
from octogym.envs.agent_facts import FACTS
from octogym.envs.vector import BatchingVectorEnv
from octogym.sim import SimBackend

CHURN = {"programme.churn": {"present_s": [4, 6], "absent_s": [3, 4], "devices": ["cam-2"]}}


class Telling(SimBackend):
    """A simulator that is heard as a rack is: device 0 falls silent in windows 3 and 4, its link in 4."""

    window = 0

    def reset(self, *arguments, **words):
        self.window = 0
        return super().reset(*arguments, **words)

    def step(self, decision):
        t = super().step(decision)
        self.window += 1
        mine, silent = self._mine(), max(0, self.window - 2) if self.window in (3, 4) else 0
        t.valid[0, mine], t.age_ns[0, mine] = not silent, silent * 1_000_000_000
        t.present[0, 0] = self.window != 4
        return t

    def _mine(self):
        return np.array([instance.device == 0 for instance in self.cluster.instances])

    def agent_facts(self):
        k, mine = self.window, self._mine()[None]
        silent = mine & (k in (3, 4))
        fault = np.full(mine.shape, "", object)
        fault[silent] = "STALE" if k == 3 else "LINK_DOWN"
        return {
            "late": np.where(mine & (k == 5), 2, 0),
            "missed": np.where(silent, k - 2, 0),
            "fault": fault,
            "safe_active": mine & (k == 5),
            "window_s": np.where(silent, 0.0, np.where(mine & (k == 5), 3.0, float(k > 0))),
            "acted_window": np.where(silent, 1, k - 1),
        }


def test_batching_shows_what_the_backend_says_of_agents():
    env = batching_v0.parallel_env(backend=Telling(load_scenario("traffic-2")), horizon=6)
    _, infos = env.reset(seed=0)
    names, held = ("late", "missed", "fault", "safe_active", "window_s", "acted_window"), []
    agent, other = "cam-1/traffic.yolov5n", "cam-2/traffic.yolov5n"
    assert [infos[agent][name] for name in names] == [0, 0, "", False, 0.0, -1]
    while env.agents:
        _, rewards, _, _, infos = env.step({one: [0, 1, 0] for one in env.agents})
        held.append((infos, rewards))
    seen = [tuple(infos[agent][name] for name in names) for infos, _ in held]
    assert seen == [
        (0, 0, "", False, 1.0, 0),
        (0, 0, "", False, 1.0, 1),
        (0, 1, "STALE", False, 0.0, 1),
        (0, 2, "LINK_DOWN", False, 0.0, 1),
        (2, 0, "", True, 3.0, 4),
        (0, 0, "", False, 1.0, 5),
    ]
    assert [(infos[agent]["mask"], infos[agent]["fresh"]) for infos, _ in held] == [
        *[(1, True)] * 2,
        (1, False),
        (0, False),
        *[(1, True)] * 2,
    ]
    assert [rewards[agent] != 0 for _, rewards in held] == [True, True, False, False, True, True]
    assert all(infos[other]["window_s"] == 1 and infos[other]["fault"] == "" for infos, _ in held)
    assert all(list(infos[agent])[6:11] == list(FACTS) for infos, _ in held)


def test_in_the_simulator_the_same_keys_say_the_same():
    env = batching_v0.parallel_env(scenario=load_scenario("traffic-2", CHURN), horizon=20)
    _, infos = env.reset(seed=0)
    agent, away, clock = "cam-2/traffic.yolov5n", 0, 0
    assert [infos[agent][name] for name in FACTS] == [0, 0, "", False, -1]
    returned = []
    while env.agents:
        there = infos[agent]["present"]
        _, _, _, _, infos = env.step({one: [0, 2, 0] for one in env.agents})
        clock += 1
        info = infos[agent]
        for name, kind in FACTS.items():
            assert type(info[name]) is kind
        if info["present"]:
            assert [info[name] for name in ("missed", "fault", "acted_window")] == [0, "", clock - 1]
            if not there:
                # It is unmasked at once, and its next action counts.
                assert info["mask"] == 1 and info["fresh"]
                _, _, _, _, infos = env.step({one: [0, 5, 0] for one in env.agents})
                clock += 1
                returned.append(infos[agent]["batch"])
        else:
            away += 1
            assert info["fault"] == "LINK_DOWN" and info["mask"] == 0 and not info["fresh"]
    assert away >= 3 and returned and set(returned) == {6}


@pytest.mark.parametrize("rows", ["agents", "envs", "central"])
def test_arrays_of_infos(rows):
    words = {"rows": rows, "homogeneous": rows != "envs"}
    env = BatchingVectorEnv(2, load_scenario("traffic-2", CHURN), **words)
    env.reset(seed=0)
    _, _, _, _, infos = env.step(np.zeros(env.action_space.shape, np.int64))
    wide = {"agents": (10,), "envs": (2,), "central": (2, 5)}[rows]
    assert {infos[name].shape for name in FACTS} == {wide} and infos["_fault"].all()
    assert infos["acted_window"].reshape(-1)[0] == 0 and set(infos["fault"].reshape(-1)) == {""}
    env.close()
    told = BatchingVectorEnv(1, backend=Telling(load_scenario("traffic-2")), **words)
    told.reset(seed=0)
    for _ in range(3):
        _, _, _, _, infos = told.step(np.zeros(told.action_space.shape, np.int64))
    assert infos["fault"].reshape(-1)[0] == "STALE" and infos["missed"].reshape(-1)[0] == 1
    assert infos["window_s"].reshape(-1)[0] == (1.0 if rows == "central" else 0.0)
    told.close()


def test_offloading_shows_it_of_devices():
    scenario = load_scenario("campus-8")
    env = offload_v0.parallel_env(backend=Telling(scenario), horizon=12, interrupt=False, results_per_s=100.0)
    _, infos = env.reset(seed=0)
    agent = env.possible_agents[0]
    assert [infos[agent][name] for name in FACTS] == [0, 0, "", False, -1]
    _, _, _, _, infos = env.step({one: np.zeros(env.action_space(one).shape, np.float32) for one in env.agents})
    # Late reports are counted over the step, the rest is as at its end.
    assert [infos[agent][name] for name in FACTS] == [2, 0, "", False, 11]
    assert infos[env.possible_agents[1]]["late"] == 0


def test_the_rack_shows_it_of_both():
    scenario = load_scenario("campus-16-rack")
    env = rack_v0.parallel_env(backend=Telling(scenario), horizon=6, results_per_s=100.0)
    env.reset(seed=0)
    device = scenario.cluster.devices[0].id
    mine = [agent for agent in env.possible_agents if agent == device or agent.startswith(device + "/")]
    assert len(mine) == 3
    seen = []
    for _ in range(5):
        _, _, _, _, infos = env.step({one: np.zeros_like(env.action_space(one).sample()) for one in env.agents})
        seen.append({tuple(infos[agent][name] for name in ("fault", "missed", "acted_window")) for agent in mine})
    assert seen == [{("", 0, 0)}, {("", 0, 1)}, {("STALE", 1, 1)}, {("LINK_DOWN", 2, 1)}, {("", 0, 4)}]
    assert infos[device]["late"] == infos[mine[-1]]["late"] == 2


# --- over real sockets ------------------------------------------------------------------------------------------------


def test_a_node_that_returns_is_unmasked_at_the_next_step():
    pytest.importorskip("zmq")
    from octogym.rack.faults import Fault
    from octogym.rack.up import simulated_rack

    agent = "cam-1/traffic.yolov5n"
    with simulated_rack(load_scenario("traffic-2"), speed=2, faults=[Fault("cut", "cam-1", 2.2, 2.5)]) as backend:
        env = batching_v0.parallel_env(backend=backend, horizon=14)
        _, infos = env.reset(seed=0)
        held = [infos[agent]]
        while env.agents:
            _, _, _, _, infos = env.step({one: [0, len(held) % 4, 0] for one in env.agents})
            held.append({**infos[agent]})
    masks = [info["mask"] for info in held]
    lost = masks.index(0)
    back = lost + masks[lost:].index(1)
    assert held[lost]["fault"] == "LINK_DOWN" and held[lost]["missed"] >= 1 and held[lost]["window_s"] == 0
    assert all(masks[back:]) and held[-1]["fault"] == "" and held[-1]["fresh"]
    # From there on what it is told is in force in the window it was told for.
    assert held[-1]["acted_window"] == len(held) - 2 and held[-1]["batch"] == 1 + (len(held) - 1) % 4


def spells(infos):
    """What must hold of an agent's infos, step by step, wherever its device goes; steps at which it was away."""
    away, told = [], -1
    for step, info in enumerate(infos):
        assert info["mask"] == info["present"] and not (info["fresh"] and not info["present"])
        # It is shown as at the last window that it told of, and that goes on only with its next report.
        last = step - info["missed"]
        assert told <= last <= step and (last == told or info["fault"] != "LINK_DOWN")
        told = last
        if info["fresh"]:
            assert info["age_s"] == info["missed"] == 0
        else:
            assert info["age_s"] >= info["missed"] - 0.1
        # A decision of a window that it told of; none where it has only just been started.
        assert -1 <= info["acted_window"] < max(last, 0)
        if not info["present"]:
            away.append(step)
            assert info["fault"] in ("LINK_DOWN", "JOINING", "RESTARTED") and not info["safe_active"]
    return away


def test_a_device_that_the_scenario_takes_away_is_shown_alike_in_the_simulator_and_on_a_rack():
    pytest.importorskip("zmq")
    from octogym.rack.up import simulated_rack

    scenario, agent = load_scenario("traffic-2", CHURN), "cam-2/traffic.yolov5n"

    def play(backend):
        env = batching_v0.parallel_env(backend=backend, horizon=20)
        _, infos = env.reset(seed=1)
        seen = [infos[agent]]
        while env.agents:
            _, rewards, _, _, infos = env.step({one: [0, 2, 0] for one in env.agents})
            seen.append(infos[agent])
            assert infos[agent]["fresh"] or rewards[agent] == 0
        return spells(seen)

    gone = play(SimBackend(scenario))
    with simulated_rack(scenario, speed=2, join_s=60) as rack:
        lost = play(rack)
    # A link is found dead a moment after the device has left, and is there again a moment after it has returned.
    begun = {step for step in gone if step - 1 not in gone}
    assert len(gone) >= 6 and len(begun) >= 2 and set(gone) - begun <= set(lost)


@pytest.mark.parametrize("delay_steps", [0, 1])
def test_decisions_are_late_alike_in_the_simulator_and_on_a_rack(delay_steps):
    pytest.importorskip("zmq")
    from tests.rack.watch import assert_same_windows, undisturbed

    scenario = load_scenario("traffic-2")
    scenario = replace(scenario, options=replace(scenario.options, delay_steps=delay_steps))

    def play(backend):
        windows = Runner(backend, make_policy("random")).windows(8, seed=2)
        return [(window.decision.copy(), window.telemetry.copy()) for window in windows]

    wanted = play(SimBackend(scenario))
    found = undisturbed(scenario, 2.0, play)
    assert_same_windows(found, wanted)
    for (_, seen), (decided, _) in zip(found[delay_steps:], wanted, strict=False):
        np.testing.assert_array_equal(seen.batch, decided.batch)
