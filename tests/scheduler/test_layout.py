"""What a cluster leaves open to a scheduler."""

from __future__ import annotations

import pytest

from octogym.scheduler.layout import EDGE, SERVER, Layout
from tests.reference.random_scenarios import random_scenario

from .tiny import cluster


def ids(of, slots):
    return [of.instances[i].id for i in slots]


def test_a_stream_is_a_pipeline_on_a_device():
    of = cluster(cameras=3)
    streams = Layout(of).streams
    assert [(s.device, s.pipeline, s.cameras, s.stages) for s in streams] == [(d, "p", (d,), (0, 1)) for d in range(3)]


@pytest.mark.parametrize(
    ("sites", "expected"),
    [
        ({}, [["hub/p.find"], ["hub/p.read", "hub/p.read#1"]]),
        ({0: EDGE}, [["cam0/p.find"], ["hub/p.read", "hub/p.read#1"]]),
        ({0: EDGE, 1: EDGE}, [["cam0/p.find"], ["cam0/p.read"]]),
        ({0: SERVER, 1: EDGE}, [["hub/p.find"], ["hub/p.read", "hub/p.read#1"]]),  # no route back
    ],
)
def test_sites_name_instances(sites, expected):
    of = cluster(replicas=2)
    layout = Layout(of)
    chosen = layout.choose(layout.streams[0], sites)
    assert [ids(of, chosen[s]) for s in (0, 1)] == expected


def test_where_there_is_no_instance_the_other_site_is_used():
    of = cluster(reader_at_edge=False, detector_on_server=False)
    layout = Layout(of)
    assert [ids(of, slots) for slots in layout.choose(layout.streams[0], {0: SERVER, 1: EDGE}).values()] == [
        ["cam0/p.find"],
        ["hub/p.read"],
    ]


def test_the_variant_with_the_best_recall_is_used_unless_another_is_wished():
    of = cluster(small_variant=True)
    layout = Layout(of)
    stream = layout.streams[0]
    assert ids(of, layout.choose(stream, {})[0]) == ["hub/p.find"]
    assert ids(of, layout.choose(stream, {}, {0: "find@small"})[0]) == ["hub/p.find@small"]


@pytest.mark.parametrize("seed", range(20))
def test_every_stage_of_every_stream_has_replicas_of_one_variant_on_one_device(seed):
    of = random_scenario(seed).cluster
    layout = Layout(of)
    for stream in layout.streams:
        for site in (EDGE, SERVER):
            chosen = layout.choose(stream, dict.fromkeys(stream.stages, site))
            for stage, slots in chosen.items():
                found = {(of.instances[i].stage, of.instances[i].device, of.instances[i].profile.model) for i in slots}
                assert len(found) == 1 and next(iter(found))[0] == stage
