"""The workload distributor: batches and places of one stream, where the best are known."""

from __future__ import annotations

import pytest

from octogym.scheduler.cwd import Distributor
from octogym.scheduler.estimate import Links
from octogym.scheduler.layout import Layout

from .tiny import bandwidth, cluster

FAST, SLOW = [5, 8, 11, 14], [150, 290, 430, 570]  # ms, batches 1 to 4


def plan(of, rates=(10.0, 50.0), **links):
    layout = Layout(of)
    distributor = Distributor(layout, layout.streams[0], dict(enumerate(rates)), Links(of, bandwidth(of, **links)))
    models = distributor.plan()
    where = [of.devices[models[stage].device].id for stage in (0, 1)]
    return where, models, distributor


def test_a_stage_moves_to_the_cameras_where_the_slo_holds():
    where, models, _ = plan(cluster(edge_ms=FAST), up_mbps=1000)
    assert where == ["cam0", "cam0"]
    assert models[0].batch == 1  # a batch at the edge starts again from 1


def test_slow_devices_keep_everything_on_the_server_if_the_link_is_wide():
    where, _, _ = plan(cluster(edge_ms=SLOW), up_mbps=1000)
    assert where == ["hub", "hub"]


def test_a_thin_link_moves_everything_to_slow_devices():
    where, _, _ = plan(cluster(edge_ms=SLOW), up_mbps=0.2)
    assert where == ["cam0", "cam0"]


def test_only_what_keeps_the_slo_moves():
    """Find takes 53 ms at the edge and read as much again: 200 ms hold both, 80 ms one."""
    middling = [50.0]
    assert plan(cluster(edge_ms=middling), rates=(10.0, 15.0))[0] == ["cam0", "cam0"]
    assert plan(cluster(edge_ms=middling, slo_ms=80), rates=(10.0, 15.0))[0] == ["cam0", "hub"]


def test_what_was_undone_leaves_no_trace():
    of = cluster(edge_ms=[60.0], slo_ms=100)
    where, models, distributor = plan(of)
    assert where == ["cam0", "hub"]
    assert models[1].batch == 2 and models[1].slots == (3,)  # as found on the server
    assert distributor.estimate().latency_ns <= 100e6


def test_a_stage_that_does_not_shrink_its_input_stays():
    """12 crops of 5 kB from a frame of 100 kB are 0.6 of it."""
    assert plan(cluster(edge_ms=FAST), rates=(10.0, 119.0))[0] == ["cam0", "cam0"]
    assert plan(cluster(edge_ms=FAST), rates=(10.0, 120.0))[0] == ["hub", "hub"]


def test_a_stage_that_runs_on_the_device_only_has_the_batch_of_the_edge_all_the_same():
    where, models, _ = plan(cluster(edge_ms=FAST, detector_on_server=False, reader_at_edge=False), rates=(10.0, 120.0))
    assert where == ["cam0", "hub"]
    assert models[0].batch == 1 and models[1].batch > 1


def test_batches_double_while_half_the_slo_holds():
    """Everything on the server: a frame of 100 kB takes 6.6 ms, queueing 0.3 ms, each stage 3 b + 2 + 2 b."""
    only = {"detector_at_edge": False, "reader_at_edge": False}
    for slo_ms, batches in ((40, [1, 1]), (64, [2, 2]), (104, [4, 4]), (184, [8, 8])):
        _, models, _ = plan(cluster(slo_ms=slo_ms, **only), up_mbps=1000)
        assert [models[s].batch for s in (0, 1)] == batches


def test_a_batch_is_never_above_the_profile():
    only = {"detector_at_edge": False, "reader_at_edge": False}
    _, models, _ = plan(cluster(slo_ms=5000, server_ms=[4, 6, 8], **only))
    assert [models[s].batch for s in (0, 1)] == [2, 2]


def test_a_pipeline_that_cannot_keep_half_the_slo_keeps_batch_1():
    only = {"detector_at_edge": False, "reader_at_edge": False}
    _, models, _ = plan(cluster(slo_ms=20, **only))
    assert [models[s].batch for s in (0, 1)] == [1, 1]


@pytest.mark.parametrize(("rate", "replicas"), [(170.0, 1), (171.0, 2)])
def test_a_replica_is_added_where_the_rate_is_above_085_of_one(rate, replicas):
    of = cluster(slo_ms=20, replicas=3, detector_at_edge=False, reader_at_edge=False)
    _, models, _ = plan(of, rates=(10.0, rate))
    assert models[1].replicas == replicas  # at batch 1: 200/s


def test_larger_batches_free_replicas():
    of = cluster(slo_ms=184, replicas=3, detector_at_edge=False, reader_at_edge=False)
    _, models, _ = plan(of, rates=(10.0, 200.0))
    assert models[1].batch == 8 and models[1].replicas == 1  # 307/s at batch 8, three quarters of it 230/s


def test_a_device_that_needs_a_batch_to_carry_the_rate_gets_one():
    of = cluster(edge_ms=[20, 22, 24, 26])
    _, models, _ = plan(of, rates=(10.0, 60.0))
    assert models[0].batch == 1 and models[1].batch == 2  # 47/s at batch 1, 83/s at 2
    assert of.devices[models[1].device].id == "cam0"


def test_nothing_arrives():
    where, models, distributor = plan(cluster(edge_ms=FAST), rates=(0.0, 0.0))
    assert where == ["cam0", "cam0"]
    assert all(model.replicas == 1 for model in models.values())
    assert 0 < distributor.estimate().latency_ns < 200e6
