"""Parameters of the synthetic cameras: sites whose figures are those measured on the real streams.

Mean and variance are of the counts per frame; flicker, wave and dwell time are fitted to their autocorrelation
(``benchmarks/traces/fit.py`` prints these tables from the real series). No measured series is contained here.
"""

from __future__ import annotations

from typing import NamedTuple, Tuple

from octogym.cluster.traces.draw import Draws


class Flow(NamedTuple):
    """Objects of one class at one camera.

    Attributes:
        kind: class of the objects.
        mean, variance: of the number in view.
        flicker: share of the variance that is the detector's, without memory.
        wave: share of the variance that follows the neighbourhood's common ups and downs (traffic lights, lectures).
        dwell_s: mean time that an object stays in view.
    """

    kind: str
    mean: float
    variance: float
    flicker: float
    wave: float
    dwell_s: float


class Camera(NamedTuple):
    """One stream: its name, flows, and when it ends (0: with its site)."""

    name: str
    flows: Tuple[Flow, ...]
    end_s: float = 0.0


class Site(NamedTuple):
    """Cameras on a common clock.

    Attributes:
        waves_s: periods of the common ups and downs.
        chain: cameras 0..chain-1, chain..2 chain-1, ... lie along one path each; objects move on from one to the next.
        travel_s: mean time from leaving one view to entering the next.
        handover: share of a camera's objects that come from the one before, at most.
    """

    name: str
    cameras: Tuple[Camera, ...]
    rate_hz: float
    duration_s: float
    waves_s: Tuple[float, ...]
    chain: int = 1
    travel_s: float = 8.0
    handover: float = 0.6


def _cameras(prefix: str, kind: str, rows: Tuple[Tuple[float, ...], ...], first: int = 1) -> Tuple[Camera, ...]:
    return tuple(
        Camera(f"{prefix}node{index}", (Flow(kind, *row[:5]),), *row[5:]) for index, row in enumerate(rows, first)
    )


# Rows: mean, variance, flicker, wave, dwell_s (, end_s).
CAMPUS = Site(
    "campus",
    _cameras(
        "campus/s01/",
        "person",
        (
            (16.43, 31.64, 0.0, 0.15, 70),
            (3.25, 11.88, 0.0, 0.0, 40),
            (3.75, 7.84, 0.0, 0.7, 12),
            (2.0, 3.78, 0.0, 0.15, 40),
            (12.3, 20.59, 0.0, 0.0, 25),
            (0.84, 1.4, 0.0, 0.0, 30),
            (2.18, 3.57, 0.0, 0.0, 10),
            (3.72, 5.5, 0.0, 0.5, 10),
            (7.0, 3.76, 0.0, 0.1, 10),
            (0.69, 1.06, 0.0, 0.3, 8),
            (0.75, 0.91, 0.0, 0.4, 12),
            (2.09, 2.47, 0.0, 0.0, 8),
            (2.88, 3.7, 0.0, 0.0, 40),
            (14.14, 11.4, 0.0, 0.0, 40),
            (2.48, 2.11, 0.0, 0.0, 50),
            (17.92, 9.7, 0.0, 0.1, 30),
        ),
    ),
    rate_hz=15.0,
    duration_s=490.8,
    waves_s=(60.0, 120.0, 240.0),
    chain=4,
    handover=0.8,
)

CITY = Site(
    "aicity",
    _cameras("aicity/", "car", ((9.9, 2.35, 0.15, 0.4, 3, 408),), 10)
    + _cameras(
        "aicity/",
        "car",
        (
            (5.35, 5.88, 0.05, 0.15, 15, 394),
            (3.13, 2.18, 0.0, 0.25, 6, 388),
            (5.11, 1.35, 0.05, 0.05, 4, 385),
            (0.94, 0.51, 0.35, 0.2, 4, 390),
            (8.46, 1.32, 0.25, 0.3, 4, 398),
            (10.76, 1.87, 0.2, 0.05, 8, 401),
            (15.21, 3.15, 0.0, 0.0, 8, 428),
            (9.44, 2.6, 0.1, 0.2, 3, 426),
            (3.53, 1.38, 0.15, 0.25, 2, 430),
            (10.52, 3.13, 0.1, 0.1, 4, 428),
            (15.68, 2.42, 0.1, 0.25, 3, 418),
            (17.76, 7.21, 0.15, 0.0, 70, 385),
            (12.95, 4.67, 0.3, 0.0, 30, 383),
            (14.06, 4.15, 0.05, 0.3, 2, 355),
        ),
        16,
    )
    + _cameras(
        "aicity/",
        "car",
        (
            (15.43, 7.13, 0.15, 0.0, 25, 341),
            (14.05, 4.98, 0.2, 0.4, 3, 343),
            (6.09, 7.29, 0.15, 0.0, 20, 348),
            (10.86, 9.39, 0.15, 0.0, 70, 344),
        ),
        33,
    ),
    rate_hz=1.0,
    duration_s=430.0,
    waves_s=(60.0, 120.0, 240.0),
    chain=4,
)

# Separate videos of 60 s each; the generated ones are ten times as long. The wave is the traffic light's. In people1
# something shows up for single frames, which is below the fit's grid.
STREETS = Site(
    "fcpo",
    (
        Camera("fcpo/traffic1", (Flow("person", 1.53, 1.37, 0, 0.05, 5), Flow("car", 0.81, 0.55, 0, 0.25, 5))),
        Camera("fcpo/traffic2", (Flow("person", 0.5, 0.5, 0.15, 0.05, 4), Flow("car", 6.52, 2.32, 0.1, 0, 10))),
        Camera("fcpo/traffic3", (Flow("person", 0.14, 0.12, 0.05, 0, 2), Flow("car", 6.1, 3.57, 0.15, 0.7, 30))),
        Camera("fcpo/traffic4", (Flow("person", 0, 0, 0, 0, 1), Flow("car", 8.55, 4.44, 0.1, 0.65, 4))),
        Camera("fcpo/traffic5", (Flow("person", 0.19, 0.16, 0, 0.2, 1.5), Flow("car", 14.85, 5.79, 0, 0.65, 2))),
        Camera("fcpo/traffic6", (Flow("person", 0, 0, 0, 0, 1), Flow("car", 11.29, 4.97, 0, 0.25, 5))),
        Camera("fcpo/people1", (Flow("person", 0.006, 0.006, 0, 0, 0.1), Flow("car", 0.0006, 0.0006, 0, 0, 0.1))),
        Camera("fcpo/people2", (Flow("person", 5.54, 2.58, 0.05, 0.5, 2), Flow("car", 0, 0, 0, 0, 1))),
        Camera("fcpo/people3", (Flow("person", 0.87, 0.16, 0.2, 0, 5), Flow("car", 0.024, 0.023, 0.2, 0, 1))),
        Camera("fcpo/indoor1", (Flow("person", 9.65, 0.7, 0.35, 0.1, 1), Flow("car", 0, 0, 0, 0, 1))),
        Camera("octopinf/indoor2", (Flow("person", 16.52, 4.46, 0.3, 0, 8), Flow("car", 0, 0, 0, 0, 1))),
    ),
    rate_hz=30.0,
    duration_s=600.0,
    waves_s=(60.0,),
)

SITES = (CAMPUS, CITY, STREETS)


def random_site(
    cameras: int, seed: int, rate_hz: float = 15.0, duration_s: float = 600.0, prefix: str = "site/"
) -> Site:
    """A site of any size, named ``site/node1`` and so on.

    Each camera has the figures of one of the campus or city cameras, its mean and variance scaled by 0.7 to 1.3.
    """
    if cameras < 1:
        raise ValueError(f"cameras = {cameras}: expected at least 1")
    models = [camera.flows for camera in CAMPUS.cameras + CITY.cameras]
    draws = Draws(seed, prefix)
    which, scale = draws.take(cameras), 0.7 + 0.6 * draws.take(cameras)
    chosen = []
    for index in range(cameras):
        flow = models[int(which[index] * len(models))][0]
        flow = flow._replace(mean=flow.mean * scale[index], variance=flow.variance * scale[index])
        chosen.append(Camera(f"{prefix}node{index + 1}", (flow,)))
    return Site(prefix, tuple(chosen), rate_hz, duration_s, CAMPUS.waves_s, chain=4)
