"""Shares by rule: divided, balanced, moved."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from octogym.agents.sharing import Sharing, divide, moved, sustained_rate, thousandths
from octogym.cluster.registry import load_scenario
from octogym.cluster.settings import KEEP_SHARE
from tests.cluster.small_scenario import write

CAMPUS = load_scenario("campus-8", traces="synthetic")
SHARING = Sharing(CAMPUS)


def utilisation(shares: np.ndarray, load: np.ndarray) -> np.ndarray:
    """Of every instance, where each source brings its load."""
    arrives = np.zeros(CAMPUS.cluster.S)
    for f, group in enumerate(SHARING.groups):
        arrives[group.targets] += load[f] * shares[group.routes] / 1000
    second = [s for s, i in enumerate(CAMPUS.cluster.instances) if i.stage == 1]
    return arrives[second] / SHARING.rate[second]


def test_who_may_offload_and_to_whom():
    assert len(SHARING.groups) == 8
    for group in SHARING.groups:
        assert group.local.sum() == 1 and group.server.sum() == 1 and len(group.routes) == 9
    assert Sharing(load_scenario("traffic-2", traces="synthetic")).groups == []


def test_sustained_rates_are_those_that_the_profiles_state():
    kinds = {i.id: CAMPUS.cluster.devices[i.device].type.name for i in CAMPUS.cluster.instances if i.stage == 1}
    rate = dict(zip((i.id for i in CAMPUS.cluster.instances), sustained_rate(CAMPUS), strict=True))
    stated = {"xavier-nx": 6.9, "agx-orin": 17.3, "gtx1080-server": 22.3}
    for name, kind in kinds.items():
        if kind in stated:
            assert rate[name] == pytest.approx(15 * stated[kind], rel=0.01)


@given(keep=st.floats(0, 1), part=st.floats(0, 1))
def test_divided_shares_are_the_parts_stated(keep, part):
    server = (1 - keep) * part
    shares = SHARING.divided(keep, server)
    for group in SHARING.groups:
        own = shares[group.routes].astype(int)
        assert own.sum() == 1000
        assert abs(own[group.local].sum() - 1000 * keep) <= 1
        assert abs(own[group.server].sum() - 1000 * server) <= 1
    free = {r for group in SHARING.groups for r in group.routes}
    assert all(shares[r] == KEEP_SHARE for r in range(CAMPUS.cluster.R) if r not in free)


def test_a_part_for_which_there_is_nobody_stays_local():
    alone = load_scenario("campus-8", {"routes.offload.to": "server/campus.retina1face"}, traces="synthetic")
    for group in Sharing(alone).groups:
        assert divide(group, 0.25, 0.25).tolist() == [750, 250]


@given(load=st.lists(st.floats(0, 400), min_size=8, max_size=8), level=st.floats(0.2, 1.0))
def test_balanced_shares_fill_no_device_beyond_the_level_while_there_is_room(load, level):
    load = np.array(load)
    shares = SHARING.balanced(load, level)
    second = [s for s, i in enumerate(CAMPUS.cluster.instances) if i.stage == 1]
    room = level * SHARING.rate[second].sum()
    used = utilisation(shares, load)
    assert all(shares[group.routes].astype(int).sum() == 1000 for group in SHARING.groups)
    if load.sum() <= room:
        # thousandths of eight loads
        assert (used <= level + load.sum() / 1000 / SHARING.rate[second].min()).all()


def test_balanced_shares_keep_what_fits():
    load = np.full(8, 10.0)
    load[0] = 300
    shares = SHARING.balanced(load, 0.9)
    for f, group in enumerate(SHARING.groups):
        kept = shares[group.routes][group.local].sum()
        assert kept == 1000 if f else kept < 500


def test_moving_takes_from_the_rest_alike():
    group = SHARING.groups[0]
    before = divide(group, 0.5, 0.1)
    after = moved(group, before, group.server, 0.5)
    assert after.astype(int).sum() == 1000
    assert after[group.server].sum() == 100 + 450
    assert np.allclose(after[~group.server], before[~group.server] / 2, atol=1)
    assert moved(group, before, group.local, 1.0)[group.local].tolist() == [1000]


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=30).filter(lambda w: sum(w) > 1e-6))
def test_thousandths_sum_to_1000_and_are_within_one(weights):
    shares = thousandths(np.array(weights)).astype(int)
    assert shares.sum() == 1000
    assert (abs(shares - 1000 * np.array(weights) / sum(weights)) < 1 + 1e-6).all()


def test_the_load_is_what_the_cameras_show():
    objects, arrived = np.arange(8.0), np.zeros(CAMPUS.cluster.S)
    assert SHARING.load(objects, arrived).tolist() == objects.tolist()


def test_the_load_of_a_later_stage_is_what_arrived_times_its_crops(tmp_path):
    shared = load_scenario(
        write(tmp_path),
        {
            "placement.reader.devices": ["hub", "node1"],
            "profiles.board.read": {
                "fixed_ms": 1,
                "per_frame_ms": 1,
                "max_batch": 4,
                "pre_ms": 1,
                "post_ms": 1,
                "provenance": "a guess",
            },
            "routes.readers": {"from": "hub/gate.plate", "to": ["hub/gate.read", "node1/gate.read"]},
        },
    )
    sharing = Sharing(shared)
    sources = [shared.cluster.instances[group.source].id for group in sharing.groups]
    plate = sources.index("hub/gate.plate")
    assert sources[:2] == ["node1/gate.detector", "node2/gate.detector"]
    arrived = np.zeros(shared.cluster.S)
    arrived[sharing.groups[plate].source] = 40
    # children 0, 1, 2 with 1/4, 1/2, 1/4: one crop on average
    assert sharing.load(np.zeros(2), arrived)[plate] == 40
