"""The table at the end of a run: one column per policy, mean over seeds and the half width of its 95 % interval."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from octogym.cluster.statistics import mean_interval, paired_interval

#: figure, title, factor, digits
ROWS = (
    ("throughput", "throughput, results/s", 1, 1),
    ("effective_throughput", "effective throughput, on time/s", 1, 1),
    ("on_time_share", "on time, % of generated", 100, 2),
    ("on_time_share_instance_minutes", "on time, % mean of instance-minutes", 100, 2),
    ("latency_mean_s", "latency mean, ms", 1000, 1),
    ("latency_p50_s", "latency p50, ms", 1000, 1),
    ("latency_p95_s", "latency p95, ms", 1000, 1),
    ("latency_p99_s", "latency p99, ms", 1000, 1),
    ("late_share", "results late, % of generated", 100, 2),
    ("dropped_share", "results dropped, %", 100, 2),
    ("missed_share", "results missed (packing), %", 100, 2),
    ("lost_share", "results lost (devices), %", 100, 2),
    ("requests_dropped_full", "requests dropped, queue full", 1, 0),
    ("requests_dropped_late", "requests dropped, late", 1, 0),
    ("requests_dropped_out", "requests dropped, send queue", 1, 0),
    ("requests_failed", "requests failed", 1, 0),
    ("requests_lost", "requests lost", 1, 0),
    ("reward_mean", "reward mean", 1, 3),
    ("link_bound_share", "link-bound, % of link time", 100, 1),
)
#: Kinds that are left out where they did not occur.
IF_ANY = ("requests_", "lost_", "missed_")
#: The figure in which policies are compared seed by seed.
COMPARED = "on_time_share"


def summary(results: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, Any]:
    """Mean and interval of every figure, and paired differences to the first policy. `results`: policy -> records."""
    policies = list(results)
    return {
        policy: {
            "seeds": [record["provenance"]["seed"] for record in records],
            "complete": all(record["complete"] for record in records),
            "mean": {name: mean_interval(_values(records, name)) for name, *_ in ROWS},
            "on_time_points_over_first": None if policy == policies[0] else _paired(records, results[policies[0]]),
            "figures": {str(record["provenance"]["seed"]): record["figures"] for record in records},
        }
        for policy, records in results.items()
    }


def _values(records: Sequence[Mapping[str, Any]], name: str) -> list[float]:
    return [math.nan if record["figures"].get(name) is None else record["figures"][name] for record in records]


def _paired(records: Sequence[Mapping[str, Any]], others: Sequence[Mapping[str, Any]]) -> tuple[float, float]:
    """Points of on-time share over the other policy's on the same seeds."""
    by_seed = {record["provenance"]["seed"]: record["figures"][COMPARED] for record in others}
    pairs = [(record["figures"][COMPARED], by_seed.get(record["provenance"]["seed"])) for record in records]
    both = [(100 * own, 100 * other) for own, other in pairs if other is not None]
    return paired_interval([own for own, _ in both], [other for _, other in both])


def table(summaries: Mapping[str, Mapping[str, Any]]) -> str:
    """Text of the table."""
    lines = [["", *summaries]]
    for name, title, factor, digits in ROWS:
        pairs = [one["mean"][name] for one in summaries.values()]
        if name.startswith(IF_ANY) and not any(mean for mean, _ in pairs):
            continue
        lines.append([title, *(_cell(mean * factor, half * factor, digits) for mean, half in pairs)])
    if len(summaries) > 1:
        gains = [one["on_time_points_over_first"] for one in summaries.values()]
        cells = ["-" if gain is None else _cell(gain[0], gain[1], 2, "+") for gain in gains]
        lines.append([f"on time, points over {next(iter(summaries))}", *cells])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    text = ["  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]) for line in lines]
    return "\n".join([text[0], "-" * len(text[0]), *text[1:]])


def _cell(mean: float, half: float, digits: int, sign: str = "") -> str:
    if not math.isfinite(mean):
        return "none"
    text = f"{mean:{sign}.{digits}f}"
    return text if not math.isfinite(half) else f"{text} ± {half:.{digits}f}"
