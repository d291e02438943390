"""OctopInf's estimates against examples worked by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from octogym.scheduler.estimate import (
    REMOVE,
    Links,
    Model,
    batch_ns,
    covers,
    estimate,
    image_ns,
    input_bytes,
    output_bytes,
    pre_rate,
    process_rate,
    queueing_ns,
)
from octogym.scheduler.layout import EDGE, Layout

from .tiny import MS, bandwidth, cluster, profile

CROP = profile("read", "box", [4, 6, 8, 10])


def test_queueing_is_that_of_the_published_formula():
    assert queueing_ns(50, 100) == pytest.approx(10 * MS)  # rho 0.5: 0.25 / 0.5 / 50 s
    assert queueing_ns(80, 100) == pytest.approx(40 * MS)  # rho 0.8: 0.64 / 0.2 / 80 s
    assert queueing_ns(0, 100) == 0
    assert queueing_ns(100, 100) == queueing_ns(300, 100) == math.inf


def test_times_and_rates_of_a_batch():
    assert batch_ns(CROP, 1) == 7 * MS
    assert batch_ns(CROP, 4) == 22 * MS  # 4 x (2 + 1), and 10 for the batch
    assert image_ns(CROP, 4) == pytest.approx(5.5 * MS)  # 2 + 10 / 4 + 1
    assert pre_rate(CROP) == 500
    assert process_rate(CROP, 1) == 200  # 4 + 1 ms
    assert process_rate(CROP, 2) == 250  # 3 + 1 ms


def test_a_replica_carries_085_of_its_process_rate_and_095_of_its_pre_processing_rate():
    assert covers(CROP, 1, 1, 170) and not covers(CROP, 1, 1, 170.1)
    quick = profile("read", "box", [0.1], pre_ms=2, post_ms=0.1)
    assert covers(quick, 1, 1, 475) and not covers(quick, 1, 1, 476)
    assert covers(CROP, 1, 1, 150, REMOVE) and not covers(CROP, 1, 1, 151, REMOVE)


@pytest.mark.parametrize(("rate", "replicas"), [(170, 1), (171, 2), (340, 2), (341, 3), (5000, 4)])
def test_replicas_are_added_until_they_carry_the_rate(rate, replicas):
    model = Model((0, 1, 2, 3, 4, 5), CROP, 0, rate)
    assert model.raised().replicas == replicas


def test_there_are_no_more_replicas_than_instances():
    assert Model((7, 9), CROP, 0, 5000).raised().replicas == 2


def test_replicas_are_removed_only_with_a_wider_margin():
    assert replace(Model((0, 1), CROP, 0, 160), replicas=2).lowered().replicas == 2
    assert replace(Model((0, 1), CROP, 0, 150), replicas=2).lowered().replicas == 1


def test_a_transfer_passes_both_links_one_after_the_other():
    of = cluster()
    links = Links(of, bandwidth(of, up_mbps=8, down_mbps=80))
    assert links.transfer_ns(0, 1, 10_000, 1) == pytest.approx(10 * MS + 1 * MS + 5 * MS)
    assert links.transfer_ns(1, 1, 10_000, 1) == 0
    assert links.transfer_ns(0, 1, 10_000, 100) == math.inf  # 100 messages/s are the whole link
    assert Links(of, bandwidth(of, up_mbps=0)).transfer_ns(0, 1, 10_000, 1) == math.inf


def _models(of, sites, rates, batches=(1, 1)):
    layout = Layout(of)
    (stream,) = layout.streams
    models = {}
    for stage, slots in layout.choose(stream, sites).items():
        x = of.instances[slots[0]]
        models[stage] = Model(slots, x.profile, x.device, rates[stage], batches[stage])
    return layout, stream, models


def test_a_pipeline_on_the_server():
    of = cluster()
    layout, stream, models = _models(of, {}, {0: 10.0, 1: 50.0}, (1, 2))
    links = Links(of, bandwidth(of, up_mbps=80, down_mbps=1000))
    found = estimate(layout, stream, models, links)
    # Frame of 100 kB: 10 + 0.8 + 5 ms. Queueing: rho 0.02 and 0.1 of 500/s. Batches: 7 ms, and 2 x 3 + 6 ms.
    waits = 0.02**2 / 0.98 / 10 * 1e9 + 0.1**2 / 0.9 / 50 * 1e9
    assert found.latency_ns == pytest.approx(15.8 * MS + waits + 7 * MS + 12 * MS)
    assert found.cost_ns == pytest.approx(15.8 * MS + 7 * MS + 6 * MS)  # per image: 2 + 4 + 1, 2 + 3 + 1


def test_a_pipeline_cut_between_device_and_server():
    of = cluster()
    layout, stream, models = _models(of, {0: EDGE}, {0: 10.0, 1: 50.0})
    links = Links(of, bandwidth(of, up_mbps=20, down_mbps=1000))
    found = estimate(layout, stream, models, links)
    # A message holds the 5 crops of a frame, 25 kB: 10 + 0.2 + 5 ms.
    waits = 0.02**2 / 0.98 / 10 * 1e9 + 0.1**2 / 0.9 / 50 * 1e9
    assert found.latency_ns == pytest.approx(13 * MS + 15.2 * MS + waits + 7 * MS)
    assert found.cost_ns == pytest.approx(13 * MS + 15.2 * MS + 7 * MS)


def test_bytes_in_and_out():
    layout = Layout(cluster())
    (stream,) = layout.streams
    rates = {0: 10.0, 1: 50.0}
    assert [input_bytes(layout, stream, s) for s in (0, 1)] == [100_000, 5000]
    assert [output_bytes(layout, s, rates) for s in (0, 1)] == [25_000, 0]
    assert output_bytes(layout, 0, {0: 0.0, 1: 0.0}) == 0
