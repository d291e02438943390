"""A recorded run answers as it did, and says where a decision is another."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("numba")
pytest.importorskip("pyarrow")

from octogym.bridge.recorder import RecordingBackend
from octogym.bridge.recording import Recording, RecordingError
from octogym.bridge.replay import Diverged, ReplayBackend
from octogym.cluster.backend import Backend
from octogym.cluster.decision import Decision
from octogym.cluster.registry import load_scenario, make_backend, make_policy
from octogym.cluster.runner import Runner
from octogym.envs import batching_v0
from octogym.sim import SimBackend
from tests.bridge.test_recording import assert_same


@pytest.fixture(scope="module")
def scenario():
    return load_scenario("traffic-2")


@pytest.fixture(scope="module")
def file(scenario, tmp_path_factory):
    """Two episodes under the rate rule, seeds 3 and 4."""
    file = tmp_path_factory.mktemp("recorded") / "run.parquet"
    backend = RecordingBackend(SimBackend(scenario), file)
    for seed in (3, 4):
        run(backend, "rate-rule", seed)
    backend.close()
    return file


def run(backend, policy, seed, count=10):
    windows = Runner(backend, make_policy(policy)).windows(count, seed)
    return [(window.decision.copy(), window.telemetry.copy()) for window in windows]


def test_the_same_policy_sees_the_same_bytes(scenario, file):
    replayed = ReplayBackend(file)
    assert isinstance(replayed, Backend) and not hasattr(replayed, "agent_facts")
    for seed in (4, 3, 4):
        runs = (run(backend, "rate-rule", seed) for backend in (replayed, SimBackend(scenario)))
        for (_, one), (_, two) in zip(*runs, strict=True):
            assert_same(one, two)


def test_another_decision_is_named(file):
    replayed = ReplayBackend(file)
    with pytest.raises(Diverged, match=r"window 0: batch of cam-1/traffic.yolov5n: recorded \d+, now 3") as caught:
        run(replayed, "static:batch=3", 3)
    recorded = Recording(file).row(0, 1).decision()
    found = caught.value
    assert (found.window, found.field, found.index, found.given) == (0, "batch", 0, 3)
    assert found.recorded == recorded.batch[0, 0] != 3
    replayed.reset(3)
    decision = recorded.copy()
    replayed.step(decision)
    decision = Recording(file).row(0, 2).decision()
    decision.share_milli[0, 2] += 1
    with pytest.raises(Diverged, match="window 1: share_milli of route 2"):
        replayed.step(decision)
    # It has not moved: the right decision goes on.
    assert replayed.step(Recording(file).row(0, 2).decision()).t_ns[0] == 2e9


def test_episodes_follow_each_other_and_end(file):
    replayed = ReplayBackend(file)
    keep = Decision.keep(replayed.cluster)
    with pytest.raises(RuntimeError, match="before reset"):
        replayed.step(keep)
    first = replayed.reset().copy()
    for k in range(10):
        replayed.step(Recording(file).row(0, 1 + k).decision())
    with pytest.raises(RecordingError, match="the recorded episode is over after 10 windows"):
        replayed.step(keep)
    assert_same(replayed.reset(), Recording(file).row(1, 0).telemetry())
    assert_same(replayed.reset(), first)
    for bad, words in (
        ({"seed": 9}, "seed = 9; recorded were 3, 4"),
        ({"mask": np.array([False])}, "mask"),
        ({"options": {"overrides": {}}}, "options overrides"),
    ):
        with pytest.raises(ValueError, match=words):
            replayed.reset(**bad)
    with pytest.raises(ValueError, match=r"decision.active: shape"):
        replayed.step(Decision.keep(replayed.cluster, 2))


def test_a_recorded_run_is_a_backend_by_its_file(scenario, file):
    env = batching_v0.parallel_env(backend=str(file), horizon=5)
    env.reset(seed=3)
    with pytest.raises(Diverged):
        env.step({agent: [0, 3, 0] for agent in env.agents})
    assert make_backend(str(file), scenario).scenario is scenario
    with pytest.raises(RecordingError, match="num_envs = 2"):
        make_backend(str(file), num_envs=2)
    with pytest.raises(RecordingError, match="needs a recording"):
        make_backend("replay", scenario)
    with pytest.raises(RecordingError, match=r"recorded on traffic-2, whose cluster .* is not that of scale-4"):
        make_backend(str(file), "scale-4")
