"""Tables with intervals, JSON with provenance, plots: how the benchmarks of published systems show what they found."""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import octogym
from octogym.cluster.statistics import mean_interval, paired_interval


def arguments(description: str, **defaults: Any) -> argparse.ArgumentParser:
    """The arguments that every benchmark takes: --json FILE, --quick; and `defaults` as --name."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here, and a plot beside them")
    parser.add_argument("--quick", action="store_true", help="a short run that shows that it works; no evidence")
    for name, value in defaults.items():
        parser.add_argument("--" + name, type=type(value), default=value, help="default %(default)s")
    return parser


class Said:
    """Progress on standard error with the time."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    def __call__(self, text: str) -> None:
        print(f"[{time.monotonic() - self._start:6.0f} s] {text}", file=sys.stderr, flush=True)


def interval(values: Sequence[float], scale: float = 1.0, digits: int = 1) -> str:
    """`83.1 ± 0.6`: mean and half of the 95 % interval over runs."""
    mean, half = mean_interval(values)
    if not np.isfinite(half):
        return f"{mean * scale:.{digits}f}"
    return f"{mean * scale:.{digits}f} ± {half * scale:.{digits}f}"


def apart(values: Sequence[float], others: Sequence[float]) -> bool:
    """Whether the 95 % interval of `values` lies above that of `others`."""
    (a, wide_a), (b, wide_b) = mean_interval(values), mean_interval(others)
    return bool(a - wide_a > b + wide_b)


def surely_better(values: Sequence[float], others: Sequence[float]) -> bool:
    """Whether the 95 % interval of the paired differences lies above 0: run by run, on the same workloads."""
    mean, half = paired_interval(values, others)
    return bool(mean - half > 0)


def difference(values: Sequence[float], others: Sequence[float], scale: float = 1.0) -> str:
    """Mean of the paired differences with its interval."""
    mean, half = paired_interval(values, others)
    return f"{mean * scale:+.1f} ± {half * scale:.1f}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(map(str, row)) + " |" for row in rows])


def write(
    file: Path,
    name: str,
    quick: bool,
    settings: Mapping[str, Any],
    results: Any,
    verdicts: Any = None,
    tables: Sequence[Mapping[str, Any]] = (),
) -> None:
    """The figures with what they were taken on. `tables`: title, head and rows of what the page shows as it is."""
    content = {
        "benchmark": name,
        "quick": quick,
        "octogym": octogym.__version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "machine": platform.machine(),
        "settings": dict(settings),
        "results": results,
        "verdicts": verdicts or [],
        "tables": list(tables),
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(_plain(content), indent=1, allow_nan=False) + "\n", encoding="utf-8")


def verdict(claim: str, paper: str, ours: str, borne_out: bool | None, why: str = "") -> dict[str, Any]:
    """One line of the summary page: a claim, the paper's figure, ours, whether it is borne out, and why not."""
    return {"claim": claim, "paper": paper, "ours": ours, "borne_out": borne_out, "why": why}


def figure() -> Any:
    """matplotlib's pyplot, without a display."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    return pyplot


def band(axes: Any, x: np.ndarray, by_run: np.ndarray, label: str) -> None:
    """Mean line and 95 % band of `by_run` [runs, n]."""
    means, halves = zip(*(mean_interval(column) for column in by_run.T), strict=True)
    mean, half = np.array(means), np.nan_to_num(np.array(halves))
    (line,) = axes.plot(x, mean, label=label)
    axes.fill_between(x, mean - half, mean + half, color=line.get_color(), alpha=0.2, linewidth=0)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [_plain(one) for one in value]
    if isinstance(value, (float, np.floating)):
        return float(value) if np.isfinite(value) else None
    return value.item() if isinstance(value, np.generic) else value
