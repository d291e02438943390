"""Time slots on the lanes of GPUs."""

from __future__ import annotations

import itertools

from octogym.scheduler.coral import Lanes, Span, schedule, spans
from octogym.scheduler.estimate import Model
from octogym.scheduler.layout import Layout
from octogym.scheduler.pools import Pool

from .tiny import MS, cluster


def pools_of(of, replicas=1, batches=(1, 1)):
    layout = Layout(of)
    found = []
    for stage, slots in layout.choose(layout.streams[0], {}).items():
        x = of.instances[slots[0]]
        model = Model(slots, x.profile, x.device, 10.0, batches[stage], replicas if stage else 1)
        found.append(Pool(stage, model, {0: slots}, 1))
    return layout, found


def test_a_stage_begins_when_the_one_before_it_on_the_device_has_ended():
    layout, pools = pools_of(cluster(), batches=(1, 2))
    # 7 ms for find at batch 1, 12 ms for read at batch 2.
    assert spans(layout, pools) == [Span(0, 7 * MS, 19 * MS), Span(7 * MS, 19 * MS, 19 * MS)]


def test_stages_share_a_lane_one_after_the_other():
    of = cluster(detector_at_edge=False, reader_at_edge=False)
    layout, pools = pools_of(of)
    slots = schedule(layout, pools)
    assert [(s.instance, s.gpu, s.lane, s.start_ns, s.end_ns) for s in slots] == [
        (0, 1, 0, 0, 7 * MS),
        (1, 1, 0, 7 * MS, 14 * MS),
    ]
    assert {s.duty_ns for s in slots} == {14 * MS}


def test_replicas_go_to_the_gpu_that_has_room():
    """Replicas 0 and 2 are on one GPU of one lane, 1 and 3 on another: the second one to run is replica 1."""
    of = cluster(replicas=4, gpus=2, detector_at_edge=False, reader_at_edge=False)
    layout, pools = pools_of(of, replicas=2)
    schedule(layout, pools)
    assert [of.instances[i].id for i in pools[1].active] == ["hub/p.read", "hub/p.read#1"]
    of = cluster(replicas=3, gpus=2, lanes=2, detector_at_edge=False, reader_at_edge=False)
    layout, pools = pools_of(of, replicas=2)
    assert len(schedule(layout, pools)) == 3


def test_who_finds_no_portion_runs_all_the_same():
    of = cluster(replicas=3, detector_at_edge=False, reader_at_edge=False)
    layout, pools = pools_of(of, replicas=3)
    slots = schedule(layout, pools)
    assert len(pools[1].active) == 3 and len(slots) == 2  # find, and one replica of read


def test_the_first_container_fixes_a_lane_s_duty_cycle():
    layout = Layout(cluster())
    lanes = Lanes(layout, 200 * MS)
    assert lanes.place([(5, 1)], Span(0, 10 * MS, 50 * MS), 40 * MS) is None  # a duty cycle above half the SLO
    assert lanes.place([(5, 1)], Span(0, 10 * MS, 40 * MS), 40 * MS) == 5
    assert lanes.place([(6, 1)], Span(10 * MS, 20 * MS, 30 * MS), 40 * MS) is None  # the lane's is longer
    assert lanes.place([(6, 1)], Span(10 * MS, 40 * MS, 45 * MS), 40 * MS) == 6
    assert lanes.place([(7, 1)], Span(39 * MS, 40 * MS, 45 * MS), 40 * MS) is None  # full


def test_slots_of_a_lane_never_overlap():
    of = cluster(cameras=3, replicas=4, gpus=2, lanes=3)
    layout, pools = pools_of(of, replicas=4, batches=(4, 2))
    slots = schedule(layout, pools)
    for a, b in itertools.combinations(slots, 2):
        if (a.gpu, a.lane) == (b.gpu, b.lane):
            assert a.end_ns <= b.start_ns or b.end_ns <= a.start_ns
    assert all(s.end_ns <= s.duty_ns for s in slots)
