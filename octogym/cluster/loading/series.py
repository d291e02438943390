"""Traces of a checked document: which set, which part, and the tables that the simulator reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, List, Sequence, Tuple

import numpy as np

from octogym.cluster.errors import TraceError
from octogym.cluster.loading.document import OVERRIDES, Document, choices
from octogym.cluster.loading.hardware import match
from octogym.cluster.traces import AvailabilitySeries, CountSeries, RateSeries, TraceSet, find_data, load, load_real
from octogym.cluster.traces.real import FAMILIES
from octogym.cluster.workload import CountTable, RateTable

FILE = "file:"
SETS = ("auto", "real", "synthetic")
SYNTHETIC = "synthetic:"


def trace_set(document: Document, data: Dict[str, Any]) -> Tuple[TraceSet, str, bool]:
    """The series, where they come from in words, and whether they are synthetic."""
    counts: Dict[str, CountSeries] = {}
    rates: Dict[str, RateSeries] = {}
    availability: Dict[str, AvailabilitySeries] = {}
    words: List[str] = []
    synthetic = False
    for item in data["traces"]:
        if item == "auto":
            item = "synthetic" if find_data() is None else "real"
        if item == "real":
            found = _real(document, _families(data))
            words.append("real")
        elif item == "synthetic" or item.startswith(SYNTHETIC):
            found = _synthetic(document, data["trace_seed"], item)
            words.append(f"{item}, seed {data['trace_seed']}")
            synthetic = True
        elif item.startswith(FILE):
            found = _file(document, item)
            words.append(item)
        else:
            raise document.error(("traces",), item, choices(item, [*SETS, "synthetic:KIND", "file:PATH"]))
        counts.update(found.counts)
        rates.update(found.rates)
        availability.update(found.availability)
    return TraceSet(counts, rates, availability), ", ".join(words), synthetic


def _synthetic(document: Document, seed: int, item: str) -> TraceSet:
    from octogym.cluster.traces.synthetic import KINDS, synthetic_set  # only where it is asked for

    kind = item[len(SYNTHETIC) :] or KINDS[0]
    if kind not in KINDS:
        raise document.error(("traces",), item, choices(kind, KINDS, f"{SYNTHETIC}KIND, one of"))
    return synthetic_set(seed, kind)


def _families(data: Dict[str, Any]) -> Sequence[str]:
    """The families of measured series that the document names; all if it names one that there is not, for the error
    message to choose from."""
    heads = set()
    todo: List[Any] = [data["cameras"], data["devices"]]
    while todo:
        item = todo.pop()
        if isinstance(item, dict):
            todo += item.values()
        elif isinstance(item, (list, tuple)):
            todo += item
        elif isinstance(item, str) and "/" in item:
            heads.add(item.split("/")[0])
    return sorted(heads) if heads <= set(FAMILIES) else FAMILIES


def _real(document: Document, families: Sequence[str]) -> TraceSet:
    try:
        return load_real(families=families)
    except TraceError as error:
        raise document.error(("traces",), "real", f"traces on this machine: {error}") from None


def _file(document: Document, item: str) -> TraceSet:
    name, _, query = item[len(FILE) :].partition("?")
    rate_hz = None
    if query:
        try:
            rate_hz = float(query.replace("rate_hz=", "", 1))
        except ValueError:
            raise document.error(("traces",), item, "file:PATH?rate_hz=NUMBER, samples per second") from None
    origin = document.origin(("traces",))
    beside = document.folder(origin) if origin != OVERRIDES else Path()
    path = beside / name
    if not path.exists():
        raise document.error(("traces",), item, f"a file or folder ({path} is none)")
    return load(path, rate_hz=rate_hz)


def part_of(document: Document, data: Dict[str, Any]) -> Tuple[Tuple[float, float], int, int]:
    """Part of the series, horizon in seconds and number of the split that is loaded."""
    splits = {"all": {"part": [0.0, 1.0], "horizon_s": None}, **data["splits"]}
    if "train" in splits and "test" in splits:
        (a, b), (c, d) = splits["train"]["part"], splits["test"]["part"]
        if a < d and c < b:
            raise document.error(("splits", "test", "part"), [c, d], f"a part apart from that of train, {[a, b]}")
    for name, entry in splits.items():
        if entry["part"][0] >= entry["part"][1]:
            raise document.error(
                ("splits", name, "part"), entry["part"], "two shares of the length, the first below the second"
            )
    name = data["split"]
    if name not in splits:
        raise document.error(("split",), name, choices(name, splits))
    chosen = splits[name]
    horizon = data["horizon_s"]
    if chosen["horizon_s"] is not None and document.origin(("horizon_s",)) != OVERRIDES:
        horizon = chosen["horizon_s"]
    low, high = chosen["part"]
    return (low, high), horizon, list(splits).index(name)


class Series:
    """The rows that cameras, links and devices name, cut to the part in use."""

    def __init__(self, document: Document, traces: TraceSet, part: Tuple[float, float], classes: Sequence[str]) -> None:
        self._document, self._traces, self._part, self._classes = document, traces, part, classes
        self._counts: Dict[str, CountSeries] = {}
        self._rates: Dict[str, RateSeries] = {}

    def camera(self, data: Dict[str, Any], id_: str, wanted: Sequence[str]) -> Tuple[int, List[int]]:
        """Row of camera `id_`'s own series and rows of its scenes; `wanted`: the classes that its pipeline takes."""
        entry, path = data["cameras"][id_], ("cameras", id_)
        names = list(self._traces.counts)
        if entry["series"] not in names:
            raise self._document.error(
                (*path, "series"), entry["series"], choices(entry["series"], names, "a count series:")
            )
        scenes = [entry["series"]]
        if entry["scenes"]:
            scenes = match(self._document, (*path, "scenes"), entry["scenes"], names, "count series")
        for key, name in [("series", entry["series"])] + [("scenes", name) for name in scenes]:
            held = self._traces.counts[name].counts
            if wanted and not any(one in held for one in wanted):
                raise self._document.error(
                    (*path, key),
                    name,
                    f"a series with objects of class {' or '.join(wanted)}; it has {', '.join(held)}",
                )
        return self._count_row(entry["series"]), [self._count_row(name) for name in scenes]

    def _count_row(self, name: str) -> int:
        if name not in self._counts:
            series = self._traces.counts[name]
            low, high = self._part
            self._counts[name] = series.cut(low * series.duration_s, high * series.duration_s)
        return list(self._counts).index(name)

    def link(self, data: Dict[str, Any], entry: str, key: str) -> List[int]:
        """Rows of the RateTable that `uplink` or `downlink` of a device entry names."""
        patterns = data["devices"][entry][key]
        if not patterns:
            return []
        names = match(self._document, ("devices", entry, key), patterns, list(self._traces.rates), "rate series")
        for name in names:
            if name not in self._rates:
                series = self._traces.rates[name]
                low, high = self._part
                self._rates[name] = series.cut(low * series.duration_s, high * series.duration_s)
        rows = list(self._rates)
        return [rows.index(name) for name in names]

    def absences(self, data: Dict[str, Any], entry: str) -> np.ndarray:
        """int64 [K, 2], ns: absences of a device entry by its availability series, in the part in use."""
        name = data["devices"][entry]["availability"]
        if name is None:
            return np.zeros((0, 2), np.int64)
        known = self._traces.availability
        if name not in known:
            raise self._document.error(
                ("devices", entry, "availability"), name, choices(name, known, "an availability series:")
            )
        series = known[name]
        low, high = self._part
        return series.cut(low * series.duration_s, high * series.duration_s).absent

    def check_horizon(self, data: Dict[str, Any], horizon_s: int, rows: Dict[str, List[int]]) -> None:
        """Where results are ranked no episode is longer than the shortest series that a camera reads."""
        if not data["ranked"]:
            return
        for id_, own in rows.items():
            for row in own:
                series = list(self._counts.values())[row]
                if horizon_s > series.duration_s + 1e-9:
                    raise self._document.error(
                        ("horizon_s",),
                        horizon_s,
                        f"at most {int(series.duration_s)} s, the part of {series.name} (camera {id_}) in split "
                        f"{data['split']!r}, since ranked = true",
                    )

    def count_table(self, end: int) -> CountTable:
        series = list(self._counts.values())
        length = np.array([len(s) for s in series], np.int64)
        counts = np.zeros((len(series), len(self._classes), int(length.max(initial=1))), np.int16)
        for n, one in enumerate(series):
            gone = np.where(one.available, 0, -1)
            for q, name in enumerate(self._classes):
                counts[n, q, : len(one)] = one.counts.get(name, gone)
        counts.setflags(write=False)
        rate = np.array([round(s.rate_hz * 1000) for s in series], np.int64)
        return CountTable(tuple(s.name for s in series), counts, length, rate, end)

    def rate_table(self, end: int) -> RateTable:
        series = list(self._rates.values())
        length = np.array([len(s) for s in series], np.int64)
        shape = (len(series), int(length.max(initial=1)))
        t_ns, rates = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
        for n, one in enumerate(series):
            t_ns[n, : len(one)], rates[n, : len(one)] = one.t_ns, one.bit_per_s
        ends = np.array([s.end_ns for s in series], np.int64)
        return RateTable(tuple(s.name for s in series), t_ns, rates, length, ends, end)

    def durations(self) -> Tuple[np.ndarray, np.ndarray]:
        """Seconds and samples per second of each count row, float64 [N]."""
        series = list(self._counts.values())
        return np.array([s.duration_s for s in series]), np.array([s.rate_hz for s in series])
