"""What environments check alike."""

from __future__ import annotations

import pytest

from octogym.envs.over_core import check_agents, check_single


def test_actions_are_for_exactly_the_agents() -> None:
    check_agents({"a": 1, "b": 2}, ["b", "a"])
    with pytest.raises(ValueError, match=r"unknown agents \['x'\]; allowed: one action for each of \['a', 'b'\]"):
        check_agents({"a": 1, "x": 2}, ["a", "b"])
    with pytest.raises(ValueError, match=r"no action for \['b'\]"):
        check_agents({"a": 1}, ("a", "b"))


def test_one_cluster_or_the_vector_environment() -> None:
    check_single(1)
    with pytest.raises(ValueError, match=r"num_envs = 3; allowed: 1 \(use the vector environment\)"):
        check_single(3)
