"""Objects per frame as JSON: ``{stream: {class: [count, ...]}}``.

The form of FCPO's and OctopInf's ``object_count.json`` (30 frames per second) and of OctoCross's ``s01_person.json``
(persons of MTMMC, replayed at 15 frames per second; its counts may be written as 9.0).
"""

from __future__ import annotations

import os
from typing import Any, Dict, Optional

import numpy as np

from octogym.cluster.errors import TraceError
from octogym.cluster.traces.reading import LARGEST_COUNT, PathLike, json_line, provenance, read_json
from octogym.cluster.traces.rules import without_repeats
from octogym.cluster.traces.series import CountSeries

OBJECT_COUNT_HZ = 30.0
PERSON_HZ = 15.0


def load_object_count(path: PathLike, prefix: str = "", repeats: bool = True) -> Dict[str, CountSeries]:
    """FCPO's and OctopInf's object counts; see `load_count_json`."""
    return load_count_json(path, OBJECT_COUNT_HZ, prefix, repeats)


def load_person_json(path: PathLike, prefix: str = "", repeats: bool = True) -> Dict[str, CountSeries]:
    """OctoCross's persons per frame of one MTMMC scene; see `load_count_json`."""
    return load_count_json(path, PERSON_HZ, prefix, repeats)


def load_count_json(
    path: PathLike, rate_hz: Optional[float] = None, prefix: str = "", repeats: bool = True
) -> Dict[str, CountSeries]:
    """Series by name, ``prefix`` before each stream's own.

    Args:
        rate_hz: samples per second; None: 15 where all streams hold persons only, else 30.
        repeats: keep streams that repeat an earlier one under another name.

    Raises:
        TraceError: anything but lists of whole numbers from 0, of one length within a stream.
    """
    value, text = read_json(path)
    if rate_hz is None:
        persons_only = all(isinstance(stream, dict) and list(stream) == ["person"] for stream in value.values())
        rate_hz = PERSON_HZ if persons_only else OBJECT_COUNT_HZ
    if not value:
        raise TraceError(os.fspath(path), 1, "no stream, expected {stream: {class: [count, ...]}}")
    source = provenance(path)
    series = {}
    for stream, classes in value.items():
        if not isinstance(classes, dict) or not classes:
            line = json_line(text, [stream])
            raise TraceError(os.fspath(path), line, f"stream {stream!r}: expected {{class: [count, ...]}}")
        counts = {kind: _counts(path, text, stream, kind, values) for kind, values in classes.items()}
        lengths = {kind: len(values) for kind, values in counts.items()}
        if len(set(lengths.values())) > 1:
            raise TraceError(
                os.fspath(path), json_line(text, [stream]), f"stream {stream!r}: unequal lengths {lengths}"
            )
        series[prefix + stream] = CountSeries(prefix + stream, rate_hz, counts, f"{source} {stream}")
    return series if repeats else without_repeats(series)


def _counts(path: PathLike, text: str, stream: str, kind: str, values: Any) -> np.ndarray:
    if not isinstance(values, list) or not values:
        line = json_line(text, [stream, kind])
        raise TraceError(os.fspath(path), line, f"{stream}.{kind}: expected a list of counts")
    for index, value in enumerate(values):
        # type(), not isinstance(): true and false are integers to Python.
        if type(value) not in (int, float) or not 0 <= value <= LARGEST_COUNT or value != int(value):
            line = json_line(text, [stream, kind, index])
            raise TraceError(
                os.fspath(path),
                line,
                f"{stream}.{kind}[{index}] = {value!r}, expected a whole number from 0 to {LARGEST_COUNT}",
            )
    return np.array(values, dtype=np.int16)
