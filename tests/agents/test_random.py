"""The random policy."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from octogym.agents.errors import PolicyError
from octogym.agents.random import RandomPolicy
from octogym.cluster.registry import make_backend, make_policy
from octogym.cluster.runner import Runner

ELSEWHERE = """
from octogym.cluster.registry import load_scenario, make_backend, make_policy
from octogym.cluster.runner import Runner
scenario = load_scenario("traffic-2", traces="synthetic", split="test")
for window in Runner(make_backend("sim", scenario), make_policy("random")).windows(5, 3):
    d = window.decision
    print(d.pack.tolist(), d.batch.tolist(), d.pre.tolist(), d.post.tolist())
"""


def decisions(scenario, count, seed, num_envs=1):
    runner = Runner(make_backend("sim", scenario, num_envs=num_envs), make_policy("random"))
    return [window.decision.copy() for window in runner.windows(count, seed)]


def test_the_same_seed_draws_the_same_in_another_process_and_within_a_batch(scenario):
    here = [(d.pack.tolist(), d.batch.tolist(), d.pre.tolist(), d.post.tolist()) for d in decisions(scenario, 5, 3)]
    done = subprocess.run([sys.executable, "-c", ELSEWHERE], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [" ".join(map(str, row)) for row in here]
    batch = decisions(scenario, 5, 2, num_envs=3)
    assert [d.batch[1].tolist() for d in batch] == [row[1][0] for row in here]


def test_every_setting_of_every_instance_comes_up_and_none_beyond(scenario):
    drawn = decisions(scenario, 400, 0)
    batch = np.array([d.batch[0] for d in drawn])
    pack = np.array([d.pack[0] for d in drawn])
    for s, instance in enumerate(scenario.cluster.instances):
        assert set(batch[:, s]) == set(range(1, instance.max_batch + 1))
        assert set(pack[:, s]) == set(range(1, instance.max_pack + 1))
    threads = {(int(d.pre[0, -1]), int(d.post[0, -1])) for d in drawn}
    assert threads == {(1, 1), (2, 1), (1, 2), (2, 2)}  # the server's


def test_it_takes_no_argument():
    with pytest.raises(PolicyError, match="random takes no argument"):
        RandomPolicy("x")
