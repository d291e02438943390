"""The static policy and its settings table."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest

from octogym.agents.errors import PolicyError
from octogym.agents.settings_table import parse_settings
from octogym.agents.static import StaticPolicy
from octogym.cluster.settings import DEADLINE

from .conftest import play


def settings_of(cluster, argument):
    """For two environments. Instances: detector and plates of cam-1, the same of cam-2, the server's classifier."""
    policy = StaticPolicy(argument)
    policy.reset(cluster, 2, 0)
    return policy.act(SimpleNamespace(step=0))


def test_one_setting_for_all_is_clipped_to_each_limit(cluster):
    decision = settings_of(cluster, "batch=16,pack=3,pre=2")
    assert decision.batch[0].tolist() == [8, 8, 8, 8, 16]
    assert decision.pack[0].tolist() == [2, 1, 2, 1, 1]
    assert (decision.pre == 2).all() and (decision.post == 1).all()


def test_the_particular_overrides_the_general(cluster):
    decision = settings_of(
        cluster,
        "cam-2/traffic.platedet.batch=5,batch=2,platedet.batch=3,xavier-nx/traffic.platedet.batch=4,traffic.yolov5n.batch=1",
    )
    assert decision.batch[1].tolist() == [1, 4, 1, 5, 2]


def test_time_outs_are_milliseconds_or_deadline(cluster):
    decision = settings_of(cluster, "timeout_ms=2.5,carbrand.timeout_ms=deadline,yolov5n.timeout_ms=0")
    assert decision.timeout_ns[0].tolist() == [0, 2_500_000, 0, 2_500_000, DEADLINE]


def test_without_an_argument_everything_stays_as_the_scenario_starts(cluster):
    decision = settings_of(cluster, None)
    for name in ("pack", "batch", "pre", "post", "timeout_ns"):
        assert getattr(decision, name)[0].tolist() == [getattr(i.initial, name) for i in cluster.instances]


def test_a_file_says_the_same(cluster, tmp_path):
    file = tmp_path / "settings.json"
    file.write_text(json.dumps({"settings": {"*": {"batch": 2}, "carbrand": {"batch": 9, "timeout_ms": "deadline"}}}))
    decision = settings_of(cluster, str(file))
    assert decision.batch[0].tolist() == [2, 2, 2, 2, 9]
    assert decision.timeout_ns[0, -1] == DEADLINE


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("batch", r"'batch': expected \[TARGET\.\]FIELD=VALUE"),
        ("speed=2", "FIELD one of pack, batch, pre, post, timeout_ms"),
        ("batch=0", "a whole number from 1"),
        ("batch=1.5", "a whole number from 1"),
        ("timeout_ms=-1", "0 .none., milliseconds, or deadline"),
        ("missing.json", "missing.json: cannot be read"),
    ],
)
def test_what_cannot_be_read_is_said(argument, message):
    with pytest.raises(PolicyError, match=message):
        StaticPolicy(argument)


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("bicycle.batch=2", "no instance for 'bicycle'; traffic-2 has .*carbrand"),
        ("cam-1/traffic.platedet.batch=9", r"cam-1/traffic\.platedet: batch = 9: expected 1 to 8"),
    ],
)
def test_what_the_cluster_does_not_have_is_said(cluster, argument, message):
    with pytest.raises(PolicyError, match=message):
        StaticPolicy(argument).reset(cluster, 1, 0)


@pytest.mark.parametrize("content", ["[1]", '{"settings": 3}', '{"settings": {"*": {"bacth": 3}}}', "no json"])
def test_a_file_that_holds_something_else_is_refused(tmp_path, content):
    file = tmp_path / "x.json"
    file.write_text(content)
    with pytest.raises(PolicyError, match=r"x\.json"):
        StaticPolicy(str(file))


def test_the_settings_hold_throughout_a_run(scenario):
    (episode,) = play(scenario, StaticPolicy("batch=3,pre=2,post=1"), 12)
    assert (episode.instances["batch"] == 3).all()
    # A thread change needs to be asked for twice.
    assert np.array_equal(episode.instances["pre"][:, 0], [1] + [2] * 11)


def test_a_table_of_many_items():
    assert parse_settings(" batch=4, car.pre=2 ,car.post=1,") == {"*": {"batch": 4}, "car": {"pre": 2, "post": 1}}
