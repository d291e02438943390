"""Loads a trace file or folder of any known format, told by its content."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Dict, Mapping, Optional

import numpy as np

from octogym.cluster.errors import TraceError
from octogym.cluster.traces.availability import PRESENT_AT, load_availability
from octogym.cluster.traces.bandwidth import RATES_HEADER, load_caps, load_link_table, load_rates_csv, node_rates
from octogym.cluster.traces.count_json import PERSON_HZ, load_count_json
from octogym.cluster.traces.irish5g import load_irish5g
from octogym.cluster.traces.mot import load_aicity_mot, load_mtmmc
from octogym.cluster.traces.node_csv import load_aicity, load_node_csv
from octogym.cluster.traces.reading import PathLike, provenance, read_json, read_text
from octogym.cluster.traces.series import NS, CountSeries, RateSeries
from octogym.cluster.traces.trace_set import TraceSet

EXPECTED = (
    'expected one of: object counts {stream: {class: [count, ...]}}, bandwidth caps {"bandwidth_limits": [...]}, '
    "CSV with the header 'second,kbit_per_s', 'present_at_s,DEVICE,...', "
    "'Time(s),node1,...', 'Time,node1,...' or 'Timestamp,...,DL_bitrate,...', "
    "a table 'i j mbit_per_s', MTMMC ground truth (6 or 9 columns), a folder of MTMMC (sNN/cMM/gt/gt.txt) or of "
    "AI City (SNN/cNNN/gt/gt.txt beside cam_timestamp)"
)


def load(path: PathLike, name: Optional[str] = None, rate_hz: Optional[float] = None) -> TraceSet:
    """The series of one file or folder; its format is told by its content, not by its name.

    Args:
        name: name of a single series, or what stands before the names of several; None: the file's name.
        rate_hz: samples per second of counts, where the format leaves it open (``Time,node1,...``).

    Raises:
        TraceError: damaged or of an unknown format (the message says which are known).
    """
    path = Path(path)
    name = path.stem if name is None else name
    if path.is_dir():
        return _load_folder(path, f"{name}/", rate_hz)
    text = read_text(path)
    prefix = f"{name}/"
    if text.lstrip().startswith("{"):
        if "bandwidth_limits" in read_json(path)[0]:
            return _rates(load_caps(path, name))
        return _counts(load_count_json(path, rate_hz, prefix))
    first = text.split("\n", 1)[0].strip()
    fields = [field.strip() for field in first.split(",")]
    if fields == RATES_HEADER:
        return _rates(load_rates_csv(path, name))
    if fields[0] == PRESENT_AT:
        return TraceSet(availability=load_availability(path, prefix))
    if fields[0] == "Time(s)":
        return _counts(load_aicity(path, prefix))
    if fields[0] == "Time":
        if rate_hz is None:
            problem = "rows per second are not stated: pass rate_hz (1: a row per second, 15: a row per frame of s01)"
            raise TraceError(os.fspath(path), 1, problem)
        return _counts(load_node_csv(path, "person", rate_hz, prefix))
    if fields[0] == "Timestamp":
        return _rates(load_irish5g(path, name))
    if re.fullmatch(r"\d+\s+\d+\s+[-+.\deE]+", first):
        return TraceSet(rates=link_series(path, prefix))
    if len(fields) in (6, 9) and all(re.fullmatch(r"[-+.\deE]+", field) for field in fields):
        return _counts(load_mtmmc(path, PERSON_HZ if rate_hz is None else rate_hz, prefix=prefix))
    raise TraceError(os.fspath(path), 1, f"unknown format; {EXPECTED}")


def link_series(path: PathLike, prefix: str) -> Dict[str, RateSeries]:
    """The per-node link rates behind a node-to-node table, one constant series ``nodeI`` per node."""
    table = load_link_table(path)
    try:
        rates = np.rint(node_rates(table)).astype(np.int64)
    except ValueError as error:
        raise TraceError(os.fspath(path), None, str(error)) from error
    source = f"{provenance(path)}; b of w_ij = sqrt(b_i b_j)"
    names = [f"{prefix}node{node}" for node in range(1, len(rates) + 1)]
    zero = np.zeros(1, dtype=np.int64)
    return {name: RateSeries(name, zero, rate[None], NS, source) for name, rate in zip(names, rates)}


def _load_folder(path: Path, prefix: str, rate_hz: Optional[float]) -> TraceSet:
    if any((folder / "cam_timestamp" / f"{path.name}.txt").is_file() for folder in (path.parent, path.parent.parent)):
        return _counts(load_aicity_mot(path, rate_hz=1.0 if rate_hz is None else rate_hz, prefix=prefix))
    if any(path.glob("c*/gt/gt.txt")):
        return _counts(load_mtmmc(path, PERSON_HZ if rate_hz is None else rate_hz, prefix=prefix))
    raise TraceError(path, None, f"no trace that is known; {EXPECTED}")


def _counts(series: Mapping[str, CountSeries]) -> TraceSet:
    return TraceSet(counts=series)


def _rates(series: RateSeries) -> TraceSet:
    return TraceSet(rates={series.name: series})
