"""Which scenario and backend an environment gets."""

from __future__ import annotations

import pytest

from octogym.cluster.errors import ScenarioError
from octogym.cluster.registry import load_scenario
from octogym.envs import batching_v0
from octogym.envs.opening import QUICK_START, open_backend
from tests.envs.toy_backend import ToyBackend, toy_scenario


def test_the_quick_start_needs_no_argument() -> None:
    env = batching_v0.parallel_env()
    assert env.scenario.name == QUICK_START


def test_a_scenario_may_be_a_name_or_an_object() -> None:
    scenario = load_scenario("traffic-2")
    backend, own = open_backend(scenario, "sim", 2, 1)
    assert backend.scenario is scenario and backend.num_envs == 2 and own


def test_a_backend_brings_its_scenario() -> None:
    backend = ToyBackend(num_envs=3)
    assert open_backend(None, backend, 1, 1) == (backend, False)
    assert open_backend("toy", backend, 3, 1) == (backend, False)
    assert open_backend(backend.scenario, backend, 1, 1) == (backend, False)


@pytest.mark.parametrize(
    ("scenario", "num_envs", "said"),
    [
        ("traffic-2", 1, "scenario = 'traffic-2', but the backend runs 'toy'"),
        (toy_scenario(), 1, "the backend runs a scenario of its own"),
        (None, 2, "num_envs = 2, but the backend has 3"),
    ],
)
def test_what_does_not_go_with_the_backend_is_refused(scenario: object, num_envs: int, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        open_backend(scenario, ToyBackend(num_envs=3), num_envs, 1)


def test_wrong_names_are_refused() -> None:
    with pytest.raises(ScenarioError, match="no-such-scenario"):
        open_backend("no-such-scenario", "sim", 1, 1)
    with pytest.raises(ScenarioError, match="no-such-backend"):
        open_backend("traffic-2", "no-such-backend", 1, 1)
    with pytest.raises(
        ValueError, match=r"backend = 3; allowed: a registered name, a rack file, a recorded run or a Backend"
    ):
        open_backend("traffic-2", 3, 1, 1)
    with pytest.raises(ValueError, match=r"num_envs = 0; allowed: 1 or more"):
        open_backend("traffic-2", "sim", 0, 1)


def test_the_rate_must_be_known() -> None:
    with pytest.raises(ValueError, match=r"rate = 'slow'; allowed: 'fresh', 'stale_15s'"):
        batching_v0.parallel_env(backend=ToyBackend(), rate="slow")
