"""Request rates of streams, nominal and measured."""

from __future__ import annotations

import numpy as np
import pytest

from octogym.scheduler.history import History
from octogym.scheduler.layout import Layout
from octogym.scheduler.rates import measured_rates, nominal_rates

from .tiny import cluster, feed


def test_nominal_rates_come_from_frames_and_published_constants():
    layout = Layout(cluster())
    assert nominal_rates(layout, layout.streams[0]) == {0: 10.0, 1: 114}  # 10 x 1.2 x 9.5 cars


def test_what_arrives_at_a_device_is_its_stream_s():
    of = cluster(cameras=2)
    layout, history = Layout(of), History()
    arrivals = {"cam0/p.find": 10, "cam0/p.read": 30, "cam1/p.find": 10, "cam1/p.read": 50}
    feed(history, 60, lambda t: np.array([arrivals.get(x.id, 0) for x in of.instances]), of.L, (9, 9), (10, 10))
    shares = np.array([route.share_milli for route in of.routes])
    assert measured_rates(layout, history, shares) == [{0: 10.0, 1: 30.0}, {0: 10.0, 1: 50.0}]


@pytest.mark.parametrize(("objects", "expected"), [((30, 10), [60.0, 20.0]), ((0, 0), [40.0, 40.0])])
def test_what_several_streams_share_is_divided_by_what_their_cameras_show(objects, expected):
    of = cluster(cameras=2, reader_at_edge=False, detector_on_server=False)
    layout, history = Layout(of), History()
    arrivals = {"cam0/p.find": 10, "cam1/p.find": 10, "hub/p.read": 80}
    feed(history, 60, lambda t: np.array([arrivals[x.id] for x in of.instances]), of.L, objects, (10, 10))
    shares = np.array([route.share_milli for route in of.routes])
    found = measured_rates(layout, history, shares)
    assert [rates[1] for rates in found] == pytest.approx(expected)
    assert [rates[0] for rates in found] == pytest.approx([10.0, 10.0])
