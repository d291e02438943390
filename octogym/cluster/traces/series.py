"""The time series that drive a cluster: objects per frame, link bandwidth, presence of devices."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Mapping, Union

import numpy as np

from octogym.cluster.errors import TraceError

NS = 1_000_000_000
UNAVAILABLE = -1


def _frozen(values: object, dtype: type, ndim: int, name: str, what: str) -> np.ndarray:
    """A read-only array of the wanted type; refuses values that the type cannot hold exactly."""
    given = np.asarray(values)
    if given.ndim != ndim:
        raise TraceError(name, None, f"{what} has {given.ndim} dimensions, expected {ndim}")
    if given.dtype != dtype:
        limits = np.iinfo(dtype)
        whole = given.dtype.kind in "iuf" and bool(((given >= limits.min) & (given <= limits.max)).all())
        if not whole or not np.array_equal(given, np.floor(given)):
            raise TraceError(name, None, f"{what} holds values that are not whole numbers of type {limits.dtype.name}")
    array: np.ndarray = np.array(given, dtype=dtype)
    array.setflags(write=False)
    return array


@dataclass(frozen=True, eq=False)
class CountSeries:
    """Objects per sample of one camera.

    Attributes:
        name: for example ``"campus/s01/node1"``.
        rate_hz: samples per second.
        counts: class name -> int16 array [T]; ``UNAVAILABLE`` (-1) where the stream has no frame, in all classes alike.
        source: provenance, such as file name and SHA-256 or the synthetic generator's parameters.
        labels: label name -> int16 array [T], for example the authors' rebalanced loads; cut and resampled alike.
    """

    name: str
    rate_hz: float
    counts: Mapping[str, np.ndarray]
    source: str
    labels: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not (np.isfinite(self.rate_hz) and self.rate_hz > 0):
            raise TraceError(self.name, None, f"rate_hz = {self.rate_hz}, expected a positive number")
        if not self.counts:
            raise TraceError(self.name, None, "no class of objects")
        counts = {key: _frozen(values, np.int16, 1, self.name, key) for key, values in self.counts.items()}
        labels = {key: _frozen(values, np.int16, 1, self.name, key) for key, values in self.labels.items()}
        lengths = {len(values) for values in [*counts.values(), *labels.values()]}
        if len(lengths) != 1 or 0 in lengths:
            raise TraceError(self.name, None, f"classes and labels of lengths {sorted(lengths)}, expected one, above 0")
        absent = [values == UNAVAILABLE for values in counts.values()]
        for key, values in [*counts.items(), *labels.items()]:
            if int(values.min()) < UNAVAILABLE:
                raise TraceError(self.name, None, f"negative count {int(values.min())} of {key}")
            if key in counts and not np.array_equal(values == UNAVAILABLE, absent[0]):
                raise TraceError(self.name, None, f"{key} is unavailable at other samples than the other classes")
        object.__setattr__(self, "counts", counts)
        object.__setattr__(self, "labels", labels)

    def __len__(self) -> int:
        return len(next(iter(self.counts.values())))

    @property
    def duration_s(self) -> float:
        return len(self) / self.rate_hz

    @property
    def available(self) -> np.ndarray:
        """bool [T]: where the stream has a frame."""
        return next(iter(self.counts.values())) != UNAVAILABLE

    def total(self) -> np.ndarray:
        """int16 [T]: objects of all classes together, ``UNAVAILABLE`` where there is no frame."""
        total = np.sum([values.astype(np.int64) for values in self.counts.values()], axis=0)
        return np.where(self.available, np.minimum(total, np.iinfo(np.int16).max), UNAVAILABLE).astype(np.int16)

    def cut(self, start_s: float, end_s: float) -> CountSeries:
        """The samples of [start_s, end_s), in seconds of this series."""
        first, last = (min(len(self), max(0, int(np.ceil(t * self.rate_hz - 1e-6)))) for t in (start_s, end_s))
        if first >= last:
            raise TraceError(self.name, None, f"nothing between {start_s} s and {end_s} s of {self.duration_s} s")
        return CountSeries(
            self.name,
            self.rate_hz,
            {key: values[first:last] for key, values in self.counts.items()},
            f"{self.source}; samples {first}:{last}",
            {key: values[first:last] for key, values in self.labels.items()},
        )


@dataclass(frozen=True, eq=False)
class RateSeries:
    """Bandwidth of one link, piecewise constant.

    Attributes:
        name: for example ``"5g/static-01"``.
        t_ns: int64 [T], start of each piece, strictly increasing, the first 0.
        bit_per_s: int64 [T], 0 = outage.
        end_ns: end of the last piece.
        source: provenance.
    """

    name: str
    t_ns: np.ndarray
    bit_per_s: np.ndarray
    end_ns: int
    source: str

    def __post_init__(self) -> None:
        t_ns = _frozen(self.t_ns, np.int64, 1, self.name, "t_ns")
        rates = _frozen(self.bit_per_s, np.int64, 1, self.name, "bit_per_s")
        if len(t_ns) != len(rates) or len(t_ns) == 0:
            raise TraceError(self.name, None, f"{len(t_ns)} times and {len(rates)} rates, expected as many, above 0")
        if t_ns[0] != 0 or (np.diff(t_ns) <= 0).any() or self.end_ns <= t_ns[-1]:
            raise TraceError(self.name, None, "times must begin at 0, increase strictly and stay below end_ns")
        if (rates < 0).any():
            raise TraceError(self.name, None, f"negative rate {int(rates.min())} bit/s")
        object.__setattr__(self, "t_ns", t_ns)
        object.__setattr__(self, "bit_per_s", rates)
        object.__setattr__(self, "end_ns", int(self.end_ns))

    def __len__(self) -> int:
        return len(self.t_ns)

    @property
    def duration_s(self) -> float:
        return self.end_ns / NS

    @property
    def pieces_ns(self) -> np.ndarray:
        """int64 [T]: length of each piece."""
        return np.diff(np.append(self.t_ns, self.end_ns))

    @property
    def mean_bit_per_s(self) -> float:
        return float((self.bit_per_s * (self.pieces_ns / self.end_ns)).sum())

    def at(self, t_ns: Union[int, np.ndarray]) -> np.ndarray:
        """Rate in force at the times ``t_ns`` in [0, end_ns); int64 of the same shape."""
        t = np.asarray(t_ns, dtype=np.int64)
        if t.size and (int(t.min()) < 0 or int(t.max()) >= self.end_ns):
            raise TraceError(self.name, None, f"time outside of [0, {self.end_ns}) ns")
        return np.asarray(self.bit_per_s[np.searchsorted(self.t_ns, t, side="right") - 1])

    def cut(self, start_s: float, end_s: float) -> RateSeries:
        """The pieces of [start_s, end_s), in seconds of this series, moved to 0."""
        start, end = max(0, round(start_s * NS)), min(self.end_ns, round(end_s * NS))
        if start >= end:
            raise TraceError(self.name, None, f"nothing between {start_s} s and {end_s} s of {self.duration_s} s")
        first = int(np.searchsorted(self.t_ns, start, side="right")) - 1
        last = int(np.searchsorted(self.t_ns, end, side="left"))
        t_ns = np.maximum(self.t_ns[first:last] - start, 0)
        source = f"{self.source}; {start / NS:g} s to {end / NS:g} s"
        return RateSeries(self.name, t_ns, self.bit_per_s[first:last], end - start, source)


@dataclass(frozen=True, eq=False)
class AvailabilitySeries:
    """When one device is away.

    Attributes:
        name: for example ``"churn/device3"``.
        absent: int64 [K, 2], begin and end of each absence in ns, in order, without overlap; [0, 2] = always present.
        end_ns: end of the series, not before the last absence's.
        source: provenance.
    """

    name: str
    absent: np.ndarray
    end_ns: int
    source: str

    def __post_init__(self) -> None:
        absent = _frozen(self.absent if np.size(self.absent) else np.empty((0, 2)), np.int64, 2, self.name, "absent")
        if absent.shape[1] != 2:
            raise TraceError(self.name, None, f"absences of shape {absent.shape}, expected [K, 2]")
        if absent.size and (absent[0, 0] < 0 or (np.diff(absent.ravel()) <= 0).any()):
            raise TraceError(self.name, None, "absences must be in order, of positive length and apart from each other")
        if self.end_ns <= 0 or self.end_ns < absent.max(initial=0):
            raise TraceError(
                self.name, None, f"end_ns = {self.end_ns}, expected above 0 and not before an absence's end"
            )
        object.__setattr__(self, "absent", absent)
        object.__setattr__(self, "end_ns", int(self.end_ns))

    @property
    def duration_s(self) -> float:
        return self.end_ns / NS

    @property
    def present_share(self) -> float:
        """Of the time, 0 to 1."""
        return 1.0 - float(np.diff(self.absent, axis=1).sum()) / self.end_ns

    def present(self, t_ns: Union[int, np.ndarray]) -> np.ndarray:
        """bool, of the shape of ``t_ns``: whether the device is there (it leaves at begin, is back at end)."""
        edges = np.searchsorted(self.absent.ravel(), np.asarray(t_ns, dtype=np.int64), side="right")
        return np.asarray(edges % 2 == 0)

    def cut(self, start_s: float, end_s: float) -> AvailabilitySeries:
        """The absences within [start_s, end_s), in seconds of this series, moved to 0."""
        start, end = max(0, round(start_s * NS)), min(self.end_ns, round(end_s * NS))
        if start >= end:
            raise TraceError(self.name, None, f"nothing between {start_s} s and {end_s} s of {self.duration_s} s")
        absent = np.clip(self.absent, start, end) - start
        source = f"{self.source}; {start / NS:g} s to {end / NS:g} s"
        return AvailabilitySeries(self.name, absent[absent[:, 1] > absent[:, 0]], end - start, source)


Series = Union[CountSeries, RateSeries, AvailabilitySeries]
