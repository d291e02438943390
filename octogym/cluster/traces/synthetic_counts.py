"""Synthetic object counts: what is in view of cameras that objects pass one after the other.

Objects enter a view, stay for an Erlang time, and partly go on to the next camera of the chain. They enter at a rate
that follows the neighbourhood's common wave: in groups where the measured variance is above the mean, one by one at
random where it equals it, and at regular distances (cars in traffic) where it is below. Where even that leaves too much
variance, some objects never leave (parked cars, people at a desk). What the detector reports flickers.
"""

from __future__ import annotations

from typing import Dict, NamedTuple, Optional, Tuple

import numpy as np

from octogym.cluster.traces.draw import Draws
from octogym.cluster.traces.series import UNAVAILABLE, CountSeries
from octogym.cluster.traces.sites import Flow, Site

# Load by hour over the day's mean: quiet night, two rush hours.
_HOURS = np.array([2, 1, 1, 1, 2, 5, 11, 19, 23, 18, 15, 15, 17, 16, 15, 17, 21, 25, 24, 18, 13, 10, 7, 4]) / 12.5
# Variance over mean of the number in view when objects enter at regular distances and stay for an Erlang-8 time:
# the integral of F (1 - F) over that of 1 - F, F its distribution.
_REGULAR = 0.196
# Their number forgets faster than that of others (Erlang-2 stays at random times), by this factor.
_REGULAR_STAY = 2.5
_DEEPEST_WAVE = 0.67  # of a sine, over its mean, so that it stays positive
_FLICKER_S = 0.3


class _Clock(NamedTuple):
    """The samples of a series and, where the load follows one, the length of a day."""

    rate_hz: float
    samples: int
    day_s: Optional[float]

    @property
    def duration_s(self) -> float:
        return self.samples / self.rate_hz

    @property
    def times(self) -> np.ndarray:
        return np.arange(self.samples) / self.rate_hz

    def day(self, t_s: np.ndarray) -> np.ndarray:
        """Load over the day's mean at each time; time 0 is midnight."""
        if self.day_s is None:
            return np.ones(len(t_s))
        return np.interp(t_s / self.day_s % 1 * 24, np.arange(25), np.append(_HOURS, _HOURS[0]))


class _Wave(NamedTuple):
    """Common ups and downs of a neighbourhood: mean 0, variance 1."""

    periods_s: Tuple[float, ...]
    phases: np.ndarray
    delay_s: float

    def at(self, t_s: np.ndarray) -> np.ndarray:
        angles = [(t_s - self.delay_s) / period + phase for period, phase in zip(self.periods_s, self.phases)]
        return np.sqrt(2 / len(angles)) * np.sum([np.cos(2 * np.pi * angle) for angle in angles], axis=0)


class _Parts(NamedTuple):
    """How a flow's mean and variance come about.

    Attributes:
        residents: always there.
        moving: mean number of visitors.
        regular: share of the visitors that come at regular distances.
        grouping: variance over mean of the other visitors, from the size of their groups.
        wave: standard deviation of the visitors' wave over their mean.
    """

    residents: int
    moving: float
    regular: float
    grouping: float
    wave: float


class _Visits(NamedTuple):
    """Groups that pass a camera: second of entry, seconds of stay, objects."""

    entry: np.ndarray
    stay: np.ndarray
    size: np.ndarray


def synthetic_counts(
    site: Site, seed: int, burst: float = 1.0, day_s: Optional[float] = None
) -> Dict[str, CountSeries]:
    """Series by name for every camera of a site; the same arguments give the same bytes.

    Args:
        burst: factor on the variance of the visitors; above 1 they come in larger and fewer groups.
        day_s: seconds of a day that the load follows, from midnight; None: no day curve.
    """
    source = f"synthetic:site={site.name},seed={seed},burst={burst:g},day_s={day_s}"
    result = {}
    before: Dict[str, _Visits] = {}
    for index, camera in enumerate(site.cameras):
        clock = _Clock(site.rate_hz, round((camera.end_s or site.duration_s) * site.rate_hz), day_s)
        chain, place = divmod(index, site.chain)
        phases = Draws(seed, f"{site.name} wave {chain}").take(len(site.waves_s))
        wave = _Wave(site.waves_s, phases, place * site.travel_s)
        before = before if place else {}
        counts = {}
        for flow in camera.flows:
            draws = Draws(seed, f"{camera.name} {flow.kind}")
            parts = _split(flow, burst, clock.duration_s)
            visits = _visits(site, flow, parts, clock, draws, wave, before.get(flow.kind))
            inside = np.floor(parts.residents * clock.day(clock.times) + 0.5) + _in_view(visits, clock)
            counts[flow.kind] = _seen(inside, flow, clock, draws)
            before[flow.kind] = visits
        ended = np.full(round(site.duration_s * site.rate_hz) - clock.samples, UNAVAILABLE)
        counts = {kind: np.append(values, ended) for kind, values in counts.items()}
        result[camera.name] = CountSeries(camera.name, site.rate_hz, counts, source)
    return result


def _split(flow: Flow, burst: float, window_s: float) -> _Parts:
    deviation = np.sqrt(flow.wave * flow.variance)
    # The variance was measured around the mean of a window, which long stays shift: the number in view stays correlated
    # for 3/4 dwell_s (Erlang-2 stays).
    memory = min(0.5, 1.5 * flow.dwell_s / window_s)
    variance = burst * flow.variance * (1 - flow.flicker - flow.wave) / (1 - memory)
    least_moving = max(variance / _REGULAR, deviation / _DEEPEST_WAVE)
    residents = max(0, int(np.floor(flow.mean - least_moving)))
    moving = flow.mean - residents
    if moving == 0:
        return _Parts(residents, 0.0, 0.0, 1.0, 0.0)
    spread = variance / moving
    regular = np.clip((1 - spread) / (1 - _REGULAR), 0.0, 1.0)
    return _Parts(residents, moving, regular, max(1.0, spread), min(_DEEPEST_WAVE, deviation / moving))


def _visits(
    site: Site, flow: Flow, parts: _Parts, clock: _Clock, draws: Draws, wave: _Wave, before: Optional[_Visits]
) -> _Visits:
    """Visits from well before the first sample on, so that the number in view is steady from the start."""
    if parts.moving == 0:
        return _Visits(np.empty(0), np.empty(0), np.empty(0))
    stay_s, regular_s = flow.dwell_s, _REGULAR_STAY * flow.dwell_s
    begin, end = -60.0 - 5 * regular_s, clock.duration_s
    regular = round(parts.regular * parts.moving / regular_s * (end - begin))
    wanted = (1 - parts.regular) * parts.moving / stay_s * (end - begin)  # objects that come otherwise
    mean_size = (1 + parts.grouping) / 2  # of geometric sizes whose mean square over mean is the grouping
    entry, size = np.empty(0), np.empty(0)
    if before is not None and len(before.entry):
        # Not more than this camera needs, and less if the groups there are smaller than the ones here.
        share = min(1.0, wanted / before.size.sum()) * min(1.0, before.size.mean() / mean_size)
        going = draws.take(len(before.entry)) < site.handover * share
        later = before.entry + before.stay + site.travel_s * (0.5 + draws.take(len(before.entry)))
        going &= (later >= begin) & (later < end)
        entry, size = later[going], before.size[going]
    groups = max(0, round((wanted - size.sum()) / mean_size))
    # Uniform draws become entries at the wave's rate; regular ones are one draw in each of as many equal parts.
    draw = np.concatenate([(np.arange(regular) + draws.take(regular)) / max(1, regular), draws.take(groups)])
    seconds = np.arange(np.floor(begin), np.ceil(end) + 1)
    # Long stays smooth the wave in the number in view, so it is deeper in the rate of entry.
    mean_stay_s = parts.regular * regular_s + (1 - parts.regular) * stay_s
    period = site.waves_s[len(site.waves_s) // 2]
    depth = parts.wave * np.sqrt(1 + (2 * np.pi * mean_stay_s / period) ** 2)
    passed = np.cumsum(np.maximum(0.05, 1 + depth * wave.at(seconds)) * clock.day(seconds))
    entry = np.concatenate([np.interp(draw * passed[-1], passed, seconds), entry])
    size = np.concatenate([np.ones(regular), draws.geometric(groups, mean_size), size])
    stay = np.append(draws.erlang(8, regular, regular_s), draws.erlang(2, len(entry) - regular, stay_s))
    target = parts.moving * clock.day(clock.times).mean() * end
    for _ in range(3):  # so that the mean in view is the wanted one, not only its expectation
        seen = (size * np.maximum(0.0, np.minimum(entry + stay, end) - np.maximum(entry, 0.0))).sum()
        stay *= np.clip(target / seen, 0.5, 2.0) if seen > 0 else 1.0
    return _Visits(entry, stay, size)


def _in_view(visits: _Visits, clock: _Clock) -> np.ndarray:
    """Objects of the groups that are in view at each sample."""
    change = np.zeros(clock.samples + 1)
    for times, sign in ((visits.entry, 1), (visits.entry + visits.stay, -1)):
        at = np.clip(np.ceil(times * clock.rate_hz), 0, clock.samples).astype(np.int64)
        np.add.at(change, at, sign * visits.size)
    return np.cumsum(change[:-1])


def _seen(inside: np.ndarray, flow: Flow, clock: _Clock, draws: Draws) -> np.ndarray:
    """What the detector reports: now and then some more or less, never something in an empty view."""
    variance = flow.flicker * flow.variance
    size = max(1.0, np.ceil(np.sqrt(variance)))
    chance = variance / size**2
    block = np.floor(clock.times / max(_FLICKER_S, 1 / clock.rate_hz)).astype(np.int64)
    draw = draws.take(int(block[-1]) + 1)[block]
    step = np.where(draw < chance, np.where(draw < chance / 2, -size, size), 0.0)
    return np.maximum(0, inside + step * (inside > 0))
