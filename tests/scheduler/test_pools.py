"""Streams that share instances are served by one set of replicas."""

from __future__ import annotations

import pytest

from octogym.scheduler.estimate import Model
from octogym.scheduler.layout import EDGE, Layout
from octogym.scheduler.pools import merge

from .tiny import cluster


def plans(of, sites, rates=(10.0, 50.0), batches=(1, 1)):
    layout = Layout(of)
    found = []
    for n, stream in enumerate(layout.streams):
        models = {}
        for stage, slots in layout.choose(stream, sites[n]).items():
            x = of.instances[slots[0]]
            models[stage] = Model(slots, x.profile, x.device, rates[stage], batches[stage] * (n + 1)).raised()
        found.append(models)
    return layout, found


def named(of, pools):
    return {of.instances[pool.model.slots[0]].id: pool for pool in pools}


def test_rates_add_and_the_largest_batch_is_kept():
    of = cluster(cameras=3, replicas=4)
    pools = named(of, merge(*plans(of, [{}] * 3, batches=(2, 1)), smallest=False))
    assert sorted(pools) == ["hub/p.find", "hub/p.read"]
    find, read = pools["hub/p.find"].model, pools["hub/p.read"].model
    assert (find.rate, find.batch, read.rate, read.batch) == (30.0, 6, 150.0, 3)
    assert set(pools["hub/p.read"].members) == {0, 1, 2}


@pytest.mark.parametrize(("smallest", "batch"), [(True, 3), (False, 1)])
def test_a_batch_holds_a_frame_of_every_camera(smallest, batch):
    of = cluster(cameras=3)
    layout, found = plans(of, [{}] * 3)
    found = [{0: Model(p[0].slots, p[0].profile, p[0].device, 10.0)} for p in found]
    (pool,) = merge(layout, found, smallest)
    assert pool.model.batch == batch


def test_replicas_are_as_many_as_all_streams_need():
    of = cluster(cameras=3, replicas=4)
    pools = named(of, merge(*plans(of, [{}] * 3, rates=(10.0, 150.0)), smallest=False))
    # Each alone needs one (170/s at batch 1); 450/s at the batch of the third stream, 3 (272/s), need two.
    assert pools["hub/p.read"].model.replicas == 2


def test_devices_of_their_own_are_not_merged():
    of = cluster(cameras=2)
    pools = named(of, merge(*plans(of, [{0: EDGE}] * 2), smallest=True))
    assert sorted(pools) == ["cam0/p.find", "cam1/p.find", "hub/p.read"]
    assert [pool.cameras for pool in pools.values()] == [1, 1, 2]


def test_a_stream_without_an_active_instance_gets_its_first():
    of = cluster(cameras=2, replicas=2)
    pool = named(of, merge(*plans(of, [{}] * 2), smallest=True))["hub/p.read"]
    pool.members = {0: pool.model.slots[:1], 1: pool.model.slots[1:]}
    pool.active = [pool.model.slots[0]]
    pool.complete()
    assert [pool.used_by(n) for n in (0, 1)] == [pool.model.slots[:1], pool.model.slots[1:]]
