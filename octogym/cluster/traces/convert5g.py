"""Converts the 5G measurements that the authors publish as Python lists into ``second,kbit_per_s`` CSVs.

Their script assigns ``timestampsN = ["hh.mm.ss", ...]`` and ``bandwidthsN = [kbit_per_s, ...]``. It is parsed, not run.
"""

from __future__ import annotations

import ast
import os
import re
from typing import Any, Dict, List

from octogym.cluster.errors import TraceError
from octogym.cluster.traces.bandwidth import RATES_HEADER
from octogym.cluster.traces.reading import PathLike, read_text

_DAY_S = 86_400


def convert(path: PathLike, arrays: int) -> bytes:
    """The CSV of measurement ``arrays``: seconds since its first stamp, one row per stamp that has a rate.

    Raises:
        TraceError: the script does not parse, or the lists are missing, of another form or of unequal lengths (one
            stamp more than rates is fine: so is measurement 1).
    """
    lists = _lists(path, [f"timestamps{arrays}", f"bandwidths{arrays}"])
    stamps, rates = lists[f"timestamps{arrays}"], lists[f"bandwidths{arrays}"]
    if not 0 <= len(stamps) - len(rates) <= 1 or not rates:
        raise TraceError(os.fspath(path), None, f"measurement {arrays}: {len(stamps)} stamps and {len(rates)} rates")
    rows = [",".join(RATES_HEADER)]
    first = previous = _second(path, stamps[0])
    days = 0
    for stamp, rate in zip(stamps, rates):
        second = _second(path, stamp)
        if previous - second > _DAY_S // 2:
            days += 1
        previous = second
        if type(rate) not in (int, float):
            raise TraceError(os.fspath(path), None, f"measurement {arrays}: rate {rate!r}, expected a number")
        rows.append(
            f"{second + days * _DAY_S - first},{rate:g}"
            if rate % 1
            else f"{second + days * _DAY_S - first},{int(rate)}"
        )
    return ("\n".join(rows) + "\n").encode()


def _lists(path: PathLike, names: List[str]) -> Dict[str, List[Any]]:
    try:
        tree = ast.parse(read_text(path))
    except SyntaxError as error:
        raise TraceError(os.fspath(path), error.lineno, f"is not the expected Python script ({error.msg})") from error
    found: Dict[str, List[Any]] = {}
    for statement in tree.body:
        if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
            target = statement.targets[0]
            if isinstance(target, ast.Name) and target.id in names:
                try:
                    value = ast.literal_eval(statement.value)
                except ValueError as error:
                    raise TraceError(os.fspath(path), statement.lineno, f"{target.id} is not a literal") from error
                if not isinstance(value, list):
                    raise TraceError(os.fspath(path), statement.lineno, f"{target.id} is not a list")
                found[target.id] = value
    missing = [name for name in names if name not in found]
    if missing:
        raise TraceError(os.fspath(path), None, f"has no list {' and '.join(missing)}")
    return found


def _second(path: PathLike, stamp: object) -> int:
    """Second of the day of ``hh.mm.ss``."""
    match = re.fullmatch(r"(\d\d)\.(\d\d)\.(\d\d)", stamp) if isinstance(stamp, str) else None
    if match is None:
        raise TraceError(os.fspath(path), None, f"stamp {stamp!r}, expected 'hh.mm.ss'")
    hours, minutes, seconds = (int(part) for part in match.groups())
    return 3600 * hours + 60 * minutes + seconds
