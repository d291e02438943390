"""The table and its picture."""

from __future__ import annotations

import numpy as np
import pytest
from gymnasium.error import ResetNeeded

from octogym.cluster.scenario import Scenario
from octogym.envs import offload_v0
from octogym.envs.offload.vector import OffloadVectorEnv


def test_the_table_says_who_sends_where(calm: Scenario) -> None:
    env = offload_v0.parallel_env(scenario=calm, render_mode="ansi")
    with pytest.raises(ResetNeeded):
        env.render()
    env.reset(seed=0)
    env.step(dict.fromkeys(env.agents, np.array([0.0, -1, -1, 0.0])))
    lines = env.render().splitlines()
    assert lines[0].startswith("small  t = ") and "reward" in lines[0] and len(lines) == 2 + 3
    assert "own 50%  hub 50%" in lines[2] and lines[2].startswith("a ")


def test_who_is_away_is_shown(churning: Scenario) -> None:
    env = offload_v0.parallel_env(scenario=churning, render_mode="ansi", horizon=90)
    env.reset(seed=0)
    shown = []
    while env.agents:
        infos = env.step(dict.fromkeys(env.agents, np.zeros(4)))[-1]
        shown.append((infos["b"]["present"], env.render().splitlines()[3].split() == ["b", "away"]))
    assert all(present != away for present, away in shown) and not all(present for present, _ in shown)


def test_the_picture_changes(calm: Scenario) -> None:
    env = offload_v0.parallel_env(scenario=calm, render_mode="rgb_array")
    env.reset(seed=0)
    first = env.render()
    env.step(dict.fromkeys(env.agents, np.zeros(4)))
    second = env.render()
    assert first.dtype == np.uint8 and first.shape == second.shape and first.shape[2] == 3
    assert not np.array_equal(first, second)


def test_human_mode_follows_and_others_are_refused(calm: Scenario, capsys: pytest.CaptureFixture[str]) -> None:
    env = offload_v0.parallel_env(scenario=calm, render_mode="human")
    env.reset(seed=0)
    env.step(dict.fromkeys(env.agents, np.zeros(4)))
    assert capsys.readouterr().out.count("small  t = ") == 2
    with pytest.raises(ValueError, match="render_mode = 'svg'"):
        offload_v0.parallel_env(scenario=calm, render_mode="svg")
    env = offload_v0.parallel_env(scenario=calm)
    with pytest.warns(UserWarning, match="render mode"):
        env.render()


def test_one_text_per_cluster(calm: Scenario) -> None:
    env = OffloadVectorEnv(2, calm, render_mode="ansi")
    env.reset(seed=0)
    assert len(env.render()) == 2
