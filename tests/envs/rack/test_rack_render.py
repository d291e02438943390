"""Both tables, as text and as a picture."""

from __future__ import annotations

import numpy as np
import pytest
from gymnasium.error import ResetNeeded

from octogym.cluster.scenario import Scenario
from octogym.envs import rack_v0


def act(env: rack_v0.RackParallelEnv, shares: list[float]) -> dict[str, np.ndarray]:
    batches = dict.fromkeys(env.instance_agents, np.array([0, 3, 0]))
    return {**batches, **dict.fromkeys(env.device_agents, np.array(shares))}


def test_the_text_has_a_row_per_agent(calm: Scenario) -> None:
    env = rack_v0.parallel_env(scenario=calm, render_mode="ansi", interrupt=False)
    with pytest.raises(ResetNeeded):
        env.render()
    env.reset(seed=0)
    assert "shares are due  reward 0.000 in 0 s" in env.render()
    for _ in range(4):
        env.step(act(env, [0.0, -1, -1, 0.0]))
    above, below = (part.splitlines() for part in env.render().split("\n\n"))
    assert above[0].startswith("small  t = 4 s of 40 s") and len(above) == 2 + len(env.instance_agents)
    assert [line.split()[0] for line in above[2:]] == list(env.instance_agents)
    assert below[0].startswith("shares are due in 11 s  reward 0.") and below[0].endswith("in 4 s")
    assert [line.split()[0] for line in below[2:]] == ["a", "b", "c"] and "own 50%  hub 50%" in below[2]


def test_overloads_and_absence_are_shown(churning: Scenario) -> None:
    env = rack_v0.parallel_env(scenario=churning, render_mode="ansi", horizon=60)
    env.reset(seed=0)
    shown = set()
    while env.agents:
        infos = env.step(act(env, [1, -1, -1, -1]))[-1]
        text = env.render()
        assert ("shares are due, after an overload" in text) == infos["a"]["interrupted"]
        rows = [line.split() for line in text.splitlines()]
        assert (["b", "away"] in rows) == (["b/gate.face", "away"] in rows) == (not infos["b"]["present"])
        shown.add((infos["a"]["interrupted"], infos["b"]["present"]))
    assert len({x for x, _ in shown}) == len({x for _, x in shown}) == 2


def test_the_picture_has_both_halves(calm: Scenario) -> None:
    env = rack_v0.parallel_env(scenario=calm, render_mode="rgb_array")
    env.reset(seed=0)
    first = env.render()
    env.step(act(env, [0.0, -1, -1, 0.0]))
    second = env.render()
    assert first.dtype == np.uint8 and first.shape == second.shape and first.shape[2] == 3
    half = first.shape[0] // 2
    assert not np.array_equal(first[:half], second[:half]) and not np.array_equal(first[half:], second[half:])


def test_human_mode_follows(calm: Scenario, capsys: pytest.CaptureFixture[str]) -> None:
    env = rack_v0.parallel_env(scenario=calm, render_mode="human")
    env.reset(seed=0)
    env.step(act(env, [1, -1, -1, -1]))
    assert capsys.readouterr().out.count("small  t = ") == 2
    with pytest.raises(ValueError, match="render_mode = 'svg'"):
        rack_v0.parallel_env(scenario=calm, render_mode="svg")
