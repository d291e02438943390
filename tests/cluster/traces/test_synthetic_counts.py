"""Synthetic cameras: means, variances, neighbours, day curve."""

from __future__ import annotations

import numpy as np
import pytest

from octogym.cluster.traces import random_site, synthetic_counts
from octogym.cluster.traces.measures import autocorrelation, lag_correlations
from octogym.cluster.traces.sites import CAMPUS, CITY, SITES, STREETS, Camera, Flow, Site


def long_site(*flows, **changes):
    """Cameras with one flow each, seen for an hour at 5 per second."""
    cameras = tuple(Camera(f"c{k}", (flow,)) for k, flow in enumerate(flows))
    return Site("long", cameras, 5.0, 3600.0, (60.0, 120.0))._replace(**changes)


@pytest.mark.parametrize("site", SITES, ids=lambda site: site.name)
@pytest.mark.parametrize("seed", [0, 7])
def test_means_are_the_measured_ones(site, seed):
    series = synthetic_counts(site, seed)
    assert list(series) == [camera.name for camera in site.cameras]
    for camera in site.cameras:
        one = series[camera.name]
        assert one.rate_hz == site.rate_hz
        assert list(one.counts) == [flow.kind for flow in camera.flows]
        for flow in camera.flows:
            mean = one.counts[flow.kind][one.available].mean()
            assert mean == pytest.approx(flow.mean, rel=0.05, abs=0.03)


def test_lengths():
    assert {len(one) for one in synthetic_counts(CAMPUS, 0).values()} == {7362}
    assert {len(one) for one in synthetic_counts(STREETS, 0).values()} == {18_000}
    city = synthetic_counts(CITY, 0)
    assert {len(one) for one in city.values()} == {430}
    assert {name: int(one.available.sum()) for name, one in city.items()} == {
        camera.name: int(camera.end_s) for camera in CITY.cameras
    }


@pytest.mark.parametrize("ratio", [0.15, 0.4, 1.0, 3.0])
def test_variance_is_the_wanted_one(ratio):
    flow = Flow("car", 12.0, 12.0 * ratio, 0.0, 0.0, 8.0)
    series = synthetic_counts(long_site(flow), 1)["c0"]
    assert series.counts["car"].mean() == pytest.approx(12, rel=0.03)
    assert series.counts["car"].var() == pytest.approx(12 * ratio, rel=0.35)


def test_stays_make_the_autocorrelation():
    short, long = (synthetic_counts(long_site(Flow("car", 6, 6, 0, 0, stay)), 1)["c0"] for stay in (3.0, 30.0))
    assert autocorrelation(short.total(), 5 * 5) < 0.3
    assert autocorrelation(long.total(), 5 * 5) > 0.7


def test_flicker_forgets_at_once():
    still = synthetic_counts(long_site(Flow("car", 6, 2, 0.0, 0, 10)), 1)["c0"].total()
    flickering = synthetic_counts(long_site(Flow("car", 6, 2, 0.6, 0, 10)), 1)["c0"].total()
    assert autocorrelation(still, 5) > 0.85
    assert autocorrelation(flickering, 5) < 0.6


def test_objects_reach_the_next_camera_after_the_way():
    flow = Flow("car", 4, 8, 0, 0, 6)
    chained = synthetic_counts(long_site(flow, flow, chain=2, handover=0.9, travel_s=15), 1)
    partner = lag_correlations(list(chained.values()))["c0"]
    assert partner.correlation > 0.3
    assert 12 <= partner.lag_s <= 30
    apart = synthetic_counts(long_site(flow, flow), 1)
    assert lag_correlations(list(apart.values()))["c0"].correlation < 0.2


def test_neighbours_share_a_wave():
    flow = Flow("car", 8, 8, 0, 0.6, 3)
    together = synthetic_counts(long_site(flow, flow, chain=2, handover=0, travel_s=0), 1)
    apart = synthetic_counts(long_site(flow, flow), 1)
    both = [np.corrcoef(*(one.total() for one in sites.values()))[0, 1] for sites in (together, apart)]
    assert both[0] > 0.4
    assert both[1] < 0.3


def test_bursts_keep_the_mean():
    flow = Flow("car", 6, 6, 0, 0, 8)
    calm, bursty = (synthetic_counts(long_site(flow), 1, burst)["c0"].total() for burst in (1.0, 3.0))
    assert bursty.mean() == pytest.approx(calm.mean(), rel=0.03)
    assert bursty.var() > 2 * calm.var()
    assert bursty.max() > calm.max()


def test_day_curve_has_a_quiet_night_and_rush_hours():
    series = synthetic_counts(long_site(Flow("car", 10, 4, 0, 0, 8)), 1, day_s=3600.0)["c0"].total()
    by_hour = series.reshape(24, -1).mean(axis=1)
    assert by_hour[2] < 0.2 * by_hour.mean()
    assert by_hour[8] > 1.3 * by_hour.mean() < by_hour[17]
    assert series.mean() == pytest.approx(10, rel=0.05)


def test_random_sites_of_any_size():
    site = random_site(37, seed=5, duration_s=60)
    series = synthetic_counts(site, 5)
    assert len(series) == 37
    assert {one.duration_s for one in series.values()} == {60.0}
    assert random_site(37, seed=5, duration_s=60) == site
    assert random_site(37, seed=6, duration_s=60) != site
    with pytest.raises(ValueError, match="at least 1"):
        random_site(0, seed=1)
