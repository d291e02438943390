"""The search for fixed settings and the policy that holds them."""

from __future__ import annotations

import json

import numpy as np
import pytest

from octogym.agents.candidates import LADDER, cameras_served, common_batch, evaluate, initial
from octogym.agents.errors import PolicyError
from octogym.agents.static import StaticPolicy
from octogym.agents.tuned_static import TunedStaticPolicy, cache_file, tuned_file
from octogym.agents.tuning import Budget, apart, stage_groups, tune
from octogym.cluster.registry import load_scenario

from .conftest import play, traffic

SMALL = Budget(seeds=(0,), horizon_s=20, sweeps=1)


@pytest.fixture(scope="module")
def training():
    return traffic("train")


@pytest.fixture(scope="module")
def tuned(training, tmp_path_factory):
    return tuned_file(training, SMALL, tmp_path_factory.mktemp("tuned") / "tuned.json")


def test_it_beats_every_common_batch_on_the_training_traces(training, tuned):
    cluster = training.cluster
    found = json.loads(tuned.read_text())["provenance"]
    commons = [common_batch(cluster, initial(training), b) for b in (1, 2, 4, 8, 16, 64)]
    shares = evaluate(training, commons, SMALL.seeds, SMALL.horizon_s).share()
    assert found["share"] > shares.max() > shares.min()
    assert found["share_of_best_common_batch"] >= shares.max()
    assert found["best_common_batch"] in LADDER


def test_the_policy_reaches_what_the_search_says(training, tuned):
    (episode,) = play(training, TunedStaticPolicy(str(tuned)), SMALL.horizon_s)
    # The policy asks for its threads one window after the search's reset would, no more lies between them.
    assert episode.figures()["on_time_share"] == pytest.approx(
        json.loads(tuned.read_text())["provenance"]["share"], abs=1e-9
    )


def test_it_is_better_than_the_start_on_unseen_traces_too(scenario, tuned):
    shares = [
        np.mean([episode.figures()["on_time_share"] for episode in play(scenario, policy, 60, num_envs=2)])
        for policy in (TunedStaticPolicy(str(tuned)), StaticPolicy())
    ]
    assert shares[0] > shares[1]


def test_the_file_says_where_it_comes_from(training, tuned):
    origin = json.loads(tuned.read_text())["provenance"]
    assert origin["scenario"] == "traffic-2" and origin["split"] == "train"
    assert origin["synthetic_traces"] is True and origin["synthetic_profiles"] is True
    assert origin["seeds"] == [0] and origin["horizon_s"] == 20
    assert len(origin["traces_sha256"]) == 64


def test_the_same_search_finds_the_same(training, tuned):
    assert tune(training, SMALL).settings == json.loads(tuned.read_text())["settings"]


def test_a_result_that_is_there_is_used_and_another_budget_searches_anew(training, tuned):
    before = tuned.stat().st_mtime_ns
    told = []
    tuned_file(training, SMALL, tuned, progress=lambda count, what: told.append(count))
    assert not told and tuned.stat().st_mtime_ns == before
    assert cache_file(training, SMALL) != cache_file(training, Budget(seeds=(1,), horizon_s=20, sweeps=1))
    assert cache_file(training, SMALL) != cache_file(load_scenario("traffic-2", traces="synthetic", slo_ms=200), SMALL)


def test_without_a_file_the_users_cache_is_looked_up(training, tuned, tmp_path, monkeypatch):
    monkeypatch.setenv("OCTOGYM_CACHE", str(tmp_path))
    with pytest.raises(PolicyError, match="nothing tuned for traffic-2 yet; run: octogym tune traffic-2"):
        TunedStaticPolicy().reset(training.cluster, 1, 0)
    cached = cache_file(training, SMALL)
    cached.parent.mkdir(parents=True)
    cached.write_bytes(tuned.read_bytes())
    policy = TunedStaticPolicy()
    policy.reset(training.cluster, 1, 0)
    assert policy.settings == json.loads(tuned.read_text())["settings"]
    (cached.parent / cached.name.replace(".json", "x.json")).write_bytes(tuned.read_bytes())
    with pytest.raises(PolicyError, match=r"several in .*; say which"):
        TunedStaticPolicy().reset(training.cluster, 1, 0)


def test_settings_of_another_cluster_are_refused(tuned):
    other = load_scenario("scale-4", traces="synthetic")
    with pytest.raises(PolicyError, match="no instance for"):
        TunedStaticPolicy(str(tuned)).reset(other.cluster, 1, 0)


def test_instances_serve_the_cameras_whose_frames_can_reach_them(cluster):
    served = {i.id: cameras.tolist() for i, cameras in zip(cluster.instances, cameras_served(cluster), strict=True)}
    assert served["cam-1/traffic.platedet"] == [True, False]
    assert served["cam-2/traffic.yolov5n"] == [False, True]
    assert served["server/traffic.carbrand"] == [True, True]


def test_groups_are_a_stage_on_a_device_type_and_vary_together_where_they_share_no_camera(cluster):
    names, groups = stage_groups(cluster)
    assert names[0] == "xavier-nx/traffic.yolov5n" and sorted(np.concatenate(groups)) == list(range(cluster.S))
    served = cameras_served(cluster)
    sets = apart([served[members].any(0) for members in groups])
    assert sorted(g for together in sets for g in together) == list(range(len(groups)))
    assert {names[g] for g in sets[0]} == {"xavier-nx/traffic.yolov5n", "orin-nano/traffic.yolov5n"}


# -------------------------------------------------------------------------------------------------------------- shares


@pytest.fixture(scope="module")
def campus():
    return load_scenario("campus-8", traces="synthetic", split="train")


@pytest.fixture(scope="module")
def tuned_campus(campus, tmp_path_factory):
    budget = Budget(seeds=(0,), horizon_s=12, sweeps=1)
    return tuned_file(campus, budget, tmp_path_factory.mktemp("campus") / "tuned.json")


def test_where_devices_can_hand_work_on_shares_are_tuned_too(campus, tuned_campus):
    content = json.loads(tuned_campus.read_text())
    sources = {i.id for i in campus.cluster.instances if i.stage == 0}
    assert set(content["shares"]) == sources
    assert all(sum(targets.values()) == 1000 for targets in content["shares"].values())
    assert content["provenance"]["share"] > content["provenance"]["share_of_best_common_batch"] + 0.1


def test_the_policy_reaches_with_shares_and_timeouts_what_the_search_says(campus, tuned_campus):
    (episode,) = play(campus, TunedStaticPolicy(str(tuned_campus)), 12)
    share = json.loads(tuned_campus.read_text())["provenance"]["share"]
    assert episode.figures()["on_time_share"] == pytest.approx(share, abs=1e-9)


def test_without_choice_no_shares_are_set(tuned):
    assert json.loads(tuned.read_text())["shares"] == {}
