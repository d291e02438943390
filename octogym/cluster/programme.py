"""Load programmes: scene switches, day curve, streams, outages and churn of one episode, drawn from its seed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple

import numpy as np

from octogym.cluster import draws
from octogym.cluster.errors import ScenarioError
from octogym.cluster.workload import CameraPlan, LinkPlan, WorkloadPlan

NS = 1_000_000_000
OPTIONS = ("trace_offset_s", "overrides", "horizon_s")
# What a draw is for: the word after the split. A new use takes a new number.
_LOAD, _FACTOR, _OFFSET, _DWELL, _SCENE, _SCENE_FACTOR, _SCENE_OFFSET, _DAY, _STREAM = range(1, 10)
_LINK_SERIES, _LINK_OFFSET, _BANDWIDTH, _OUTAGE, _CHURN = range(10, 15)
_STAY, _PLACE, _CROWD = range(15, 18)

Settings = Dict[str, Any]


@dataclass(frozen=True)
class Sources:
    """What a programme draws from. Rows refer to the scenario's CountTable and RateTable.

    Attributes:
        cameras, devices: ids in the order of the arrays.
        own: int32 [C], row of each camera's own series.
        load: float64 [C], factor on each camera's objects.
        pools: per camera int32 [P], rows that its scenes draw from.
        duration_s: float64 [N], length of each count series.
        rate_hz: float64 [N], samples per second of each.
        links: per link int32 [P], rows it draws from; empty = no series.
        link_end_ns: int64 [M], length of each rate series.
        absent_ns: per device int64 [K, 2], absences by its availability series.
    """

    cameras: Tuple[str, ...]
    devices: Tuple[str, ...]
    own: np.ndarray
    load: np.ndarray
    pools: Tuple[np.ndarray, ...]
    duration_s: np.ndarray
    rate_hz: np.ndarray
    links: Tuple[np.ndarray, ...]
    link_end_ns: np.ndarray
    absent_ns: Tuple[np.ndarray, ...]


class Programme:
    """A planner: `plan(seed, options)` draws the workload of one episode.

    Every draw is keyed (seed, PROGRAMME, split, purpose, which, how manieth), so that a camera's scenes do not change
    when another key of the programme or another camera does, and train and test episodes of one seed share nothing.

    Args:
        sources: what there is to draw from.
        settings: the checked ``[programme]`` table (docs/scenarios.md).
        resolve: maps overrides to such a table; raises ScenarioError.
        horizon_s: how long a plan must last; its last values hold from then on.
        period_ns: devices leave and return at multiples of it.
        split: number of the split, part of every key.
    """

    def __init__(
        self,
        sources: Sources,
        settings: Settings,
        resolve: Callable[[Mapping[str, Any]], Settings],
        horizon_s: float,
        period_ns: int,
        split: int = 0,
    ) -> None:
        self.sources, self.settings, self.horizon_s = sources, settings, horizon_s
        self._resolve, self._period_ns, self._split = resolve, period_ns, split

    def plan(self, seed: int, options: Mapping[str, Any]) -> WorkloadPlan:
        """The workload of the episode of `seed`.

        Args:
            options: `trace_offset_s` (every series begins there), `overrides` (of the programme's keys, dotted or
                nested), `horizon_s` (instead of the scenario's).

        Raises:
            ScenarioError: an option, key or value that cannot be used.
        """
        for name in options:
            if name not in OPTIONS:
                raise ScenarioError("reset options", str(name), options[name], OPTIONS)
        settings = self._resolve(options["overrides"]) if options.get("overrides") else self.settings
        offset_s = _at_least_zero(options, "trace_offset_s")
        horizon_s = _at_least_zero(options, "horizon_s") or self.horizon_s
        key = np.atleast_1d(draws.key_of(seed, draws.PROGRAMME, self._split))
        draw = _Draw(key, round(horizon_s * NS))
        links = _links(self.sources, settings, draw, offset_s)
        return WorkloadPlan(
            _cameras(self.sources, settings, draw, offset_s),
            links,
            _absences(self.sources, settings, draw, self._period_ns),
        )


def _at_least_zero(options: Mapping[str, Any], name: str) -> Optional[float]:
    value = options.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float, np.number)) or not 0 <= value < 1e9:
        raise ScenarioError("reset options", name, value, "seconds, at least 0")
    return float(value)


class _Draw:
    """Uniform draws of one episode."""

    def __init__(self, key: np.ndarray, horizon_ns: int) -> None:
        self._key, self.horizon_ns = key, horizon_ns

    def uniform(self, purpose: int, which: int, count: int = 1) -> np.ndarray:
        """float64 [which, count] in [0, 1)."""
        key = draws.fold(self._key, np.full(1, purpose, np.uint64))
        key = draws.fold(key, np.arange(which, dtype=np.uint64))
        key = draws.fold(key[:, None], np.arange(count, dtype=np.uint64))
        # As `draws.uniform`, which on old NumPy takes the axes off an array of one element.
        return (key >> np.uint64(11)).astype(np.float64) * 2.0**-53

    def between(self, purpose: int, which: int, limits: Sequence[float], count: int = 1) -> np.ndarray:
        """float64 [which, count], uniform between the limits; no draw where they are equal."""
        low, high = limits
        if low == high:
            return np.full((which, count), float(low))
        return low + (high - low) * self.uniform(purpose, which, count)

    def count(self, *shortest_s: float) -> int:
        """How many rounds of phases of these least lengths reach the horizon, whatever is drawn."""
        return int(self.horizon_ns / NS / sum(shortest_s)) + 2


def _nanoseconds(seconds: np.ndarray) -> np.ndarray:
    return np.floor(seconds * NS).astype(np.int64)


class _Steps:
    """Piecewise constant functions, one per row: `starts` int64 [C, K] ascending from 0, the values from there."""

    def __init__(self, starts: np.ndarray, **values: np.ndarray) -> None:
        self.starts, self.values = starts, values


def _merge(steps: Sequence[_Steps], rows: int) -> Tuple[np.ndarray, Dict[str, np.ndarray]]:
    """The functions on their common pieces: starts int64 [rows, K] (equal starts: the last holds), values [rows, K]."""
    if len(steps) == 1:
        return steps[0].starts, steps[0].values
    starts = np.concatenate([np.broadcast_to(s.starts, (rows, s.starts.shape[1])) for s in steps], axis=1)
    kind = np.repeat(np.arange(len(steps)), [s.starts.shape[1] for s in steps])
    order = np.argsort(starts, axis=1, kind="stable")
    starts = np.take_along_axis(starts, order, 1)
    values: Dict[str, np.ndarray] = {}
    for k, function in enumerate(steps):
        piece = np.maximum(np.cumsum(kind[order] == k, axis=1) - 1, 0)
        for name, array in function.values.items():
            values[name] = np.take_along_axis(np.broadcast_to(array, (rows, array.shape[1])), piece, 1)
    return starts, values


def _pieces(starts: np.ndarray, horizon_ns: int) -> np.ndarray:
    """bool [rows, K]: the pieces that begin before the horizon, the last of those that begin together."""
    last = np.append(starts[:, 1:] != starts[:, :-1], np.ones((len(starts), 1), bool), axis=1)
    return last & (starts < max(1, horizon_ns))


def _alternate(draw: _Draw, purpose: int, which: int, *limits: Sequence[float]) -> np.ndarray:
    """Starts int64 [which, 1 + K] of phases that take turns, each of a drawn length; the first is cut at a drawn
    point, so that the rows are not in step."""
    rounds = draw.count(*[low for low, _ in limits])
    u = draw.uniform(purpose, which, 1 + rounds * len(limits))
    low = np.tile([low for low, _ in limits], rounds)
    span = np.tile([high - low for low, high in limits], rounds)
    lengths = low + span * u[:, 1:]
    lengths[:, 0] *= u[:, 0]
    return np.concatenate([np.zeros((which, 1), np.int64), _nanoseconds(np.cumsum(lengths, axis=1))], axis=1)


def _chosen(ids: Sequence[str], names: Sequence[str]) -> np.ndarray:
    wanted = set(names)
    return np.array([id_ in wanted for id_ in ids], bool)


# ------------------------------------------------------------------------------------------------------------- cameras


def _cameras(sources: Sources, settings: Settings, draw: _Draw, offset_s: Optional[float]) -> Tuple[CameraPlan, ...]:
    rows = len(sources.cameras)
    scale = draw.between(_LOAD, 1, settings["load"]) * draw.between(_FACTOR, rows, settings["factor"])
    scale = scale * sources.load[:, None]
    steps = [_scenes(sources, settings, draw, offset_s)]
    if settings["crowds"] is not None:
        steps += _crowds(sources, settings["crowds"], draw)
    if settings["day"] is not None:
        steps.append(_day(settings["day"], draw, rows))
    if settings["streams"] is not None:
        steps.append(_streams(sources, settings["streams"], draw))
    starts, values = _merge(steps, rows)
    factor = scale * values["factor"]
    for name in values:
        if name.startswith("times"):
            factor = factor * values[name]
    milli = np.rint(1000 * factor).astype(np.int32)
    series = values["series"]
    if "on" in values:
        series = np.where(values["on"], series, -1)
    keep = _pieces(starts, draw.horizon_ns)
    offset = values["offset"]
    return tuple(
        CameraPlan(starts[c][k], series[c][k].astype(np.int32), offset[c][k], milli[c][k]) for c, k in enumerate(keep)
    )


def _scenes(sources: Sources, settings: Settings, draw: _Draw, offset_s: Optional[float]) -> _Steps:
    """Which series each camera reads from where, and each scene's factor."""
    rows = len(sources.cameras)
    switches = settings["switches"]
    own = sources.own[:, None]
    if switches is None:
        starts, series, factor = np.zeros((rows, 1), np.int64), own, np.ones((rows, 1))
    else:
        starts = _alternate(draw, _DWELL, rows, switches["dwell_s"])
        count = starts.shape[1]
        switched = _chosen(sources.cameras, switches["cameras"])[:, None]
        sizes = np.array([len(pool) for pool in sources.pools])
        pick = (draw.uniform(_SCENE, rows, count) * sizes[:, None]).astype(np.int64)
        table = np.zeros((rows, max(1, int(sizes.max(initial=1)))), np.int32)
        for c, pool in enumerate(sources.pools):
            table[c, : len(pool)] = pool
        series = np.where(switched, np.take_along_axis(table, pick, 1), own)
        factor = draw.between(_SCENE_FACTOR, rows, switches["factor"], count)
        factor = np.where(switched, factor, 1.0)
    return _Steps(starts, series=series, factor=factor, offset=_offsets(sources, settings, draw, offset_s, series))


def _offsets(
    sources: Sources, settings: Settings, draw: _Draw, offset_s: Optional[float], series: np.ndarray
) -> np.ndarray:
    """int64 [C, K], samples: where each scene's series is read from."""
    duration, rate = sources.duration_s[series], sources.rate_hz[series]
    if offset_s is not None:
        at = np.full(series.shape, offset_s)
    elif settings["offset"] == "none":
        at = np.zeros(series.shape)
    elif settings["offset"] == "common":
        at = np.full(series.shape, float(draw.uniform(_OFFSET, 1)[0, 0]) * sources.duration_s[sources.own].min())
    elif settings["switches"] is None:
        at = draw.uniform(_OFFSET, len(series)) * duration
    else:
        at = draw.uniform(_SCENE_OFFSET, len(series), series.shape[1]) * duration
        still = ~_chosen(sources.cameras, settings["switches"]["cameras"])
        at[still] = at[still, :1]
    # As the kernel wraps: an offset within the series, whatever the caller asked for.
    return np.floor(np.mod(at, duration) * rate + 1e-9).astype(np.int64)


def _crowds(sources: Sources, crowds: Settings, draw: _Draw) -> List[_Steps]:
    """One function per crowd: its factor in the row of the camera where it is, else 1."""
    among = np.flatnonzero(_chosen(sources.cameras, crowds["cameras"]))
    count = min(crowds["count"], len(among))
    starts = _alternate(draw, _STAY, count, crowds["dwell_s"])
    stays = starts.shape[1]
    place, factor = draw.uniform(_PLACE, count, stays), draw.between(_CROWD, count, crowds["factor"], stays)
    steps = []
    for w in range(count):
        own = among[w::count]
        # The next camera is another one: a step of 1 to n - 1 places on.
        jumps = (place[w] * np.where(np.arange(stays) == 0, len(own), max(1, len(own) - 1))).astype(np.int64)
        jumps[1:] += len(own) > 1
        at = own[np.cumsum(jumps) % len(own)]
        times = np.ones((len(sources.cameras), stays))
        times[at, np.arange(stays)] = factor[w]
        steps.append(_Steps(starts[w : w + 1], **{f"times_crowd{w}": times}))
    return steps


def _day(day: Settings, draw: _Draw, rows: int) -> _Steps:
    step = max(1, int(day["step_s"] * NS))
    starts = np.arange(0, max(draw.horizon_ns, 1), step, dtype=np.int64)[None]
    phase = draw.uniform(_DAY, 1 if day["common"] else rows)
    angle = 2 * np.pi * ((starts + step / 2) / (day["period_s"] * NS) + phase)
    # A share of [0, 1] rounded to a millionth: no two libraries differ there in the last place.
    share = np.rint((0.5 - 0.5 * np.cos(angle)) * 1e6) / 1e6
    return _Steps(starts, times_day=day["low"] + (day["high"] - day["low"]) * share)


def _streams(sources: Sources, streams: Settings, draw: _Draw) -> _Steps:
    rows = len(sources.cameras)
    starts = _alternate(draw, _STREAM, rows, streams["on_s"], streams["off_s"])
    on = np.broadcast_to(np.arange(starts.shape[1]) % 2 == 0, starts.shape)
    comes = _chosen(sources.cameras, streams["cameras"])[:, None]
    return _Steps(starts, on=on | ~comes)


# --------------------------------------------------------------------------------------------------- links and devices


def _links(sources: Sources, settings: Settings, draw: _Draw, offset_s: Optional[float]) -> Tuple[LinkPlan, ...]:
    links = len(sources.links)
    devices = len(sources.devices)
    band = float(draw.between(_BANDWIDTH, 1, settings["bandwidth"])[0, 0])
    pick = draw.uniform(_LINK_SERIES, links)[:, 0]
    begin = draw.uniform(_LINK_OFFSET, links)[:, 0]
    starts, factor = np.zeros((devices, 1), np.int64), np.ones((devices, 1))
    keep = np.ones((devices, 1), bool)
    if settings["outages"] is not None:
        starts, factor = _outages(settings["outages"], draw, sources.devices)
        keep = _pieces(starts, draw.horizon_ns)
    milli = np.rint(1000 * band * factor).astype(np.int32)
    plans = []
    for link, pool in enumerate(sources.links):
        if not len(pool):
            plans.append(LinkPlan(-1, 0, np.zeros(1, np.int64), np.full(1, 1000, np.int32)))
            continue
        row = int(pool[int(pick[link] * len(pool))])
        end = int(sources.link_end_ns[row])
        if offset_s is not None:
            at = round(offset_s * NS) % end
        else:
            at = int(begin[link] * end) if settings["link_offset"] else 0
        d = link % devices
        plans.append(LinkPlan(row, at, starts[d][keep[d]], milli[d][keep[d]]))
    return tuple(plans)


def _outages(outages: Settings, draw: _Draw, devices: Sequence[str]) -> Tuple[np.ndarray, np.ndarray]:
    starts = _alternate(draw, _OUTAGE, len(devices), outages["gap_s"], outages["length_s"], outages["after_s"])
    cycle = np.array([1.0, outages["factor"], outages["after_factor"]])
    factor = np.broadcast_to(cycle[np.arange(starts.shape[1]) % 3], starts.shape)
    hit = _chosen(devices, outages["devices"])[:, None]
    return np.where(hit, starts, np.minimum(starts, 0)), np.where(hit, factor, 1.0)


def _absences(sources: Sources, settings: Settings, draw: _Draw, period_ns: int) -> Tuple[np.ndarray, ...]:
    churn = settings["churn"]
    if churn is None and not any(len(absent) for absent in sources.absent_ns):
        return sources.absent_ns
    drawn: Sequence[np.ndarray] = [np.zeros((0, 2), np.int64)] * len(sources.devices)
    if churn is not None:
        starts = _alternate(draw, _CHURN, len(sources.devices), churn["present_s"], churn["absent_s"])
        pairs = starts[:, 1 : 1 + (starts.shape[1] - 1) // 2 * 2].reshape(len(starts), -1, 2)
        drawn = [row if hit else row[:0] for row, hit in zip(pairs, _chosen(sources.devices, churn["devices"]))]
    result = []
    for base, own in zip(sources.absent_ns, drawn):
        both = np.concatenate([base, own])
        both = np.stack([both[:, 0] // period_ns, -(-both[:, 1] // period_ns)], axis=1) * period_ns
        both[:, 0] = np.maximum(both[:, 0], period_ns)  # every device is there at the start
        result.append(_union(both[both[:, 0] < draw.horizon_ns]))
    return tuple(result)


def _union(intervals: np.ndarray) -> np.ndarray:
    """The intervals [K, 2] in order, those that touch joined."""
    joined: list = []
    for start, end in intervals[np.argsort(intervals[:, 0], kind="stable")].tolist():
        if joined and start <= joined[-1][1]:
            joined[-1][1] = max(joined[-1][1], end)
        elif end > start:
            joined.append([start, end])
    return np.array(joined, np.int64).reshape(-1, 2)
