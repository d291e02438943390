"""When the policy beside the agents is asked and paid."""

from __future__ import annotations

import numpy as np
import pytest

from octogym.cluster.backend import View
from octogym.envs.seat import Seat
from tests.envs.toy_backend import ToyBackend
from tests.envs.toy_policy import Sets


def seated(policy: Sets) -> tuple[Seat, View]:
    backend = ToyBackend()
    t, all_ = backend.reset(0), np.ones((1, backend.cluster.S), bool)
    return Seat(policy, backend.cluster, 1, np.array([1])), View(t, backend.cluster, 0, all_, all_, backend)


def test_it_is_asked_every_period_and_paid_the_sum() -> None:
    policy = Sets(batch=2, period_s=3.0)
    seat, view = seated(policy)
    seat.reset(7)
    asked = []
    for k in range(8):
        asked.append(seat.ask(view) is not None)
        seat.pay(np.full((1, 3), k, np.float32), view, ended=k == 7)
    assert asked == [True, False, False] * 2 + [True, False]
    assert policy.steps == [0, 3, 6] and policy.due.tolist() == [[True, False, True]]
    assert [float(reward[0, 0]) for reward in policy.rewards] == [0 + 1 + 2, 3 + 4 + 5, 6 + 7]


def test_every_episode_begins_it_anew_with_a_seed_of_its_own() -> None:
    policy = Sets()
    seat, view = seated(policy)
    for seed in (7, None, None, 7, None):
        seat.reset(seed)
        seat.ask(view)
        assert policy.steps[-1] == 0
    assert policy.seeds[0] == 7 and len(set(policy.seeds[:3])) == 3 and policy.seeds[3:] == policy.seeds[:2]


def test_what_is_no_policy_is_refused() -> None:
    with pytest.raises(ValueError, match="others = 3; allowed: a policy's name, a Policy, or None"):
        Seat(3, ToyBackend().cluster, 1, np.array([], np.intp))
    with pytest.raises(ValueError, match=r"others: period_s = 0\.5; allowed: a positive multiple of 1\.0 s"):
        seated(Sets(period_s=0.5))
