"""Signals and the parts of the state."""

from __future__ import annotations

import numpy as np
import pytest

from octogym.cluster.offloading.observation import LINK, TARGET
from octogym.cluster.scenario import Scenario
from octogym.envs.offload.core import OffloadCore


def core_after(scenario: Scenario, steps: int, action: list[float], **settings: object) -> OffloadCore:
    core = OffloadCore(scenario, interrupt=False, **settings)
    core.reset(0)
    for _ in range(steps):
        core.decide(np.tile(np.array(action, float), (1, core.N, 1)))
        core.advance()
    return core


def test_history_is_demand_by_capacity(calm: Scenario) -> None:
    core = core_after(calm, 1, [1, -1, -1, -1])
    capacity = core.layout.capacity[:3]
    seen = core.frame.parts["history"][0] * capacity[:, None] / 10
    # Objects per frame of the traces; the past before the first second holds its value.
    assert seen[0] == pytest.approx([4] * 17 + [4] * 5 + [60] * 8 + [4] * 2, abs=0.5)
    assert seen[1] == pytest.approx([5] * 32, abs=0.5)
    assert seen[2, -4:] == pytest.approx([8, 6, 8, 6], abs=0.5)
    assert core.frame.observation[0, :, :32] == pytest.approx(core.frame.parts["history"][0])


def test_an_observation_has_what_the_page_says(calm: Scenario) -> None:
    core = core_after(calm, 1, [-1, -1, -1, 1])
    layout, parts = core.layout, core.frame.parts
    link = core.frame.observation[0, 0, 32:35]
    assert link[0] == pytest.approx(10) and 0 < link[1] < 1 and link[2] == 0
    targets = core.frame.observation[0, 0, 35:].reshape(4, 8)
    for t, m in enumerate(layout.targets[0].tolist()):
        one = (1.0, float(t == 3), layout.capacity[m] / layout.capacity[0])
        rest = (parts["load"][0, m], parts["queue"][0, m])
        edges = [parts[name][0, 0, m] for name in ("physical", "network", "resource")]
        assert targets[t].tolist() == pytest.approx([*one, *rest, *edges])
    assert targets[3, 3] > 0 and targets[1, 3] == 0


def test_network_view_is_the_gaussian_of_the_transfer_time(calm: Scenario) -> None:
    core = core_after(calm, 1, [1, -1, -1, -1])
    t = core.telemetry.copy()
    t.bandwidth_bps[0, 0] = 4_000_000
    t.bandwidth_bps[0, 1] = 0
    got = core.problem.signals.network(t)[0]
    time_s = 0.005 + 48_000 / 4e6
    assert got[0, 2] == pytest.approx(np.exp(-((time_s / 0.02) ** 2))) and got[0, 0] == 0 and not got[1].any()
    t.present[0, 2] = 0
    got = core.problem.signals.network(t)[0]
    assert not got[2].any() and not got[:, 2].any() and got[0, 3] > 0


def test_resource_view_is_what_the_load_leaves(calm: Scenario) -> None:
    core = core_after(calm, 1, [-1, -1, -1, 1])
    part = core.frame.parts["resource"][0]
    room = np.clip(1 - core.frame.parts["load"][0], 0, 1)
    assert part[0, 1:] == pytest.approx(room[1:]) and part[0, 0] == 0 and part[1, 3] == pytest.approx(room[3])


def test_state_is_its_parts_within_bounds(churning: Scenario) -> None:
    core = OffloadCore(churning, history=5, top_k=1)
    rng = np.random.default_rng(0)
    space, one = core.problem.state_space(), core.problem.observation_space()
    frame = core.reset(3)
    names = ["history", "physical", "network", "resource", "load", "queue", "shares", "present"]
    assert list(frame.parts) == names
    shapes = [(1, 3, 5), (1, 3, 4), (1, 3, 4), (1, 3, 4), (1, 4), (1, 4), (1, 3, 3), (1, 4)]
    while not frame.truncated[0]:
        assert [part.shape for part in frame.parts.values()] == shapes
        assert space.contains(frame.state()[0]) and all(one.contains(x) for x in frame.observation[0])
        core.decide(rng.uniform(-1, 1, (1, 3, 3)))
        frame = core.advance()
    assert one.shape == (5 + LINK + TARGET * 3,) and space.shape == (15 + 36 + 4 + 4 + 9 + 4,)
