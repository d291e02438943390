"""A set of named series: look-up, content hash, selection by name, train and test parts."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Callable, Dict, Iterator, Mapping, Sequence, Tuple

import numpy as np

from octogym.cluster.errors import TraceError
from octogym.cluster.traces.series import AvailabilitySeries, CountSeries, RateSeries, Series


@dataclass(frozen=True, eq=False)
class TraceSet:
    """Named series of the three kinds; ``traces["campus/s01/node1"]`` finds one of any kind.

    Attributes:
        counts, rates, availability: name -> series.
    """

    counts: Mapping[str, CountSeries] = field(default_factory=dict)
    rates: Mapping[str, RateSeries] = field(default_factory=dict)
    availability: Mapping[str, AvailabilitySeries] = field(default_factory=dict)
    _all: Dict[str, Series] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        seen: Dict[str, Series] = {}
        for kind in (self.counts, self.rates, self.availability):
            for name, series in kind.items():
                if name != series.name:
                    raise TraceError(series.name, None, f"stands under the other name {name!r}")
                if name in seen:
                    raise TraceError(name, None, "two series have this name")
                seen[name] = series
        object.__setattr__(self, "_all", seen)

    def __getitem__(self, name: str) -> Series:
        if name not in self._all:
            raise TraceError(name, None, f"no such trace; {self._hint(name)}")
        return self._all[name]

    def __contains__(self, name: object) -> bool:
        return name in self._all

    def __iter__(self) -> Iterator[str]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)

    @property
    def sha256(self) -> str:
        """Of names and values (not of provenance), whatever the order: equal content has an equal hash."""
        digest = hashlib.sha256()
        for name in sorted(self):
            series = self[name]
            parts: Dict[str, np.ndarray] = {}
            if isinstance(series, CountSeries):
                parts = {"rate_hz": np.array([series.rate_hz], dtype="<f8")}
                parts.update({f"count {key}": values.astype("<i2") for key, values in series.counts.items()})
                parts.update({f"label {key}": values.astype("<i2") for key, values in series.labels.items()})
            elif isinstance(series, RateSeries):
                parts = {"t_ns": np.append(series.t_ns, series.end_ns).astype("<i8")}
                parts["bit_per_s"] = series.bit_per_s.astype("<i8")
            else:
                parts = {"absent": np.append(series.absent.ravel(), series.end_ns).astype("<i8")}
            for key in sorted(parts):
                data = np.ascontiguousarray(parts[key]).tobytes()
                digest.update(f"{type(series).__name__}\0{name}\0{key}\0{len(data)}\0".encode())
                digest.update(data)
        return digest.hexdigest()

    def select(self, patterns: Sequence[str]) -> TraceSet:
        """The series whose name matches one of the shell-style patterns; a pattern that matches none is an error."""
        for pattern in patterns:
            if not any(fnmatchcase(name, pattern) for name in self):
                raise TraceError(pattern, None, f"no trace matches; {self._hint(pattern)}")
        return self._where(lambda name: any(fnmatchcase(name, pattern) for pattern in patterns))

    def slice(self, part: str, train_share: float = 0.7, test_names: Sequence[str] = ()) -> TraceSet:
        """The training or the test part.

        Args:
            part: ``"train"`` or ``"test"``.
            train_share: without ``test_names``: the first ``train_share`` of every series is train, the rest test.
            test_names: shell-style patterns; series that match are the test part, the others train, each whole.
        """
        if part not in ("train", "test"):
            raise ValueError(f"part = {part!r}: expected 'train' or 'test'")
        if test_names:
            test = self.select(test_names)
            return test if part == "test" else self._where(lambda name: name not in test)
        if not 0 < train_share < 1:
            raise ValueError(f"train_share = {train_share}: expected a number between 0 and 1")

        def bounds(name: str) -> Tuple[float, float]:
            end = self[name].duration_s
            return (0.0, train_share * end) if part == "train" else (train_share * end, end)

        return TraceSet(
            {name: series.cut(*bounds(name)) for name, series in self.counts.items()},
            {name: series.cut(*bounds(name)) for name, series in self.rates.items()},
            {name: series.cut(*bounds(name)) for name, series in self.availability.items()},
        )

    def _hint(self, name: str) -> str:
        """The names nearest to one that is not there, and how many there are of each kind."""
        near = get_close_matches(name, list(self), 4, 0.5)
        groups = Counter(other.rsplit("/", 1)[0] + "/" for other in self)
        known = ", ".join(f"{count} {group}" for group, count in groups.items()) or "none"
        return (f"nearest: {', '.join(near)}; " if near else "") + f"there are {known}"

    def _where(self, keep: Callable[[str], bool]) -> TraceSet:
        return TraceSet(
            {name: series for name, series in self.counts.items() if keep(name)},
            {name: series for name, series in self.rates.items() if keep(name)},
            {name: series for name, series in self.availability.items() if keep(name)},
        )
