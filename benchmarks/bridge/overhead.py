"""What a step of a rack costs beyond the control period, with CURVE, beside bare pyzmq in the same windows; issue 5.

    python benchmarks/bridge/overhead.py [--quick] [--nodes N,...] [--memory STEPS] [--as-is] [--json FILE]

A simulated rack of 1, 16 and 100 nodes, all nodes in one process, is stepped in real time. Overhead: from a window's
end to the return of step(). In every window a bare ROUTER sends frames as large as the decisions to as many DEALERs in
another process and waits for frames as large as the observations, also under CURVE. CPU time of the host's process is
given beside, for a machine that does other things too; what is measured only holds on one that does not. The error of
the period, from return to return of step(), is that of a rack with `steady = true`, which like rtgym returns at the
same moment of every window, and is compared with rtgym's at the same period, where that is installed.

Cores are kept from falling asleep by processes that run only while nothing else wants to; `--as-is` leaves them as they
are. The last line says `pass`, or `falls short:` and by what; the exit status is 0 or 1 accordingly.
"""

from __future__ import annotations

import os

# One core, before NumPy starts its threads.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import json
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

# The checkout, where the package is not installed.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))

import numpy as np

from benchmarks._bridge.awake import cores_awake
from benchmarks._bridge.period import rtgym_periods
from benchmarks._bridge.provenance import provenance
from benchmarks._bridge.racks import Stepped, memory_of, step_rack
from benchmarks._speed.result import Skip

#: Nodes -> real window in ms, p99 of the overhead that is allowed in ms.
CASES = {1: (100.0, 2.0), 16: (250.0, 6.0), 100: (1000.0, 30.0)}
STEPS, QUICK_STEPS = 200, 30
HEAD = "nodes  overhead ms p50 p99   bare p50    p99  ratio  host CPU  period p99  steady  rtgym  faults"
PAGE = """# The bridge: what a step costs beyond its window

Written by `python benchmarks/bridge/overhead.py --markdown FILE`{quick}; milliseconds, {steps} steps for each line.
Overhead: from a window's end to the return of `step()`, all nodes of a simulated rack in one process beside the host's,
under CURVE. Bare: pyzmq alone, in the same windows, frames as large as the decisions to all nodes and frames as large
as their observations back. At most twice that is allowed; and 1.5 times rtgym's error of the period for a rack with
`steady = true`, which like rtgym returns at the same moment of every window. Stolen: time of both cores that went to
other machines. {awake}

{table}

Falls short: {verdict}.

{cpu}, {cores} cores, load {load}; Python {python}, pyzmq {pyzmq}.
"""
AWAKE = """Cores were kept from falling asleep by processes
that run only while nothing else wants to: here a core that sleeps is given to other machines."""
AS_IS = "Cores were left as they are (`--as-is`)."
#: At most so many times a bare exchange, and rtgym's error of the period; bytes that a step may leave behind.
RATIO, PERIOD_RATIO, GROWTH = 2.0, 1.5, 200.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, write. Returns 1 if a budget is exceeded."""
    options = _options(arguments)
    began = datetime.now(timezone.utc)
    load = os.getloadavg()
    rows: list[dict[str, Any]] = []
    misses: list[str] = []
    memory: dict[str, float] | None = None

    def keep() -> None:
        """What is known so far, so that an interruption loses one rack only."""
        about = {**provenance(options.quick, began, load), "cores_awake": not options.as_is}
        if options.json:
            found = {"rows": rows, "memory": memory, "misses": misses, "provenance": about}
            options.json.parent.mkdir(parents=True, exist_ok=True)
            options.json.write_text(json.dumps(found, indent=2) + "\n")
        if options.markdown:
            options.markdown.parent.mkdir(parents=True, exist_ok=True)
            options.markdown.write_text(page(rows, memory, misses, about))

    print(HEAD)
    steps = QUICK_STEPS if options.quick else STEPS
    for nodes in options.nodes:
        period_ms = CASES[nodes][0]
        with nullcontext() if options.as_is else cores_awake():
            row = _row(step_rack(nodes, period_ms, steps))
            steady = step_rack(nodes, period_ms, steps, bare=False, steady=True)
            row["steady_period_error_ms_p99"] = _error_of_period(steady)
            row["rtgym_period_error_ms_p99"] = _peer(period_ms, steps)
        rows.append(row)
        print(_line(row), flush=True)
        misses += _misses(row)
        keep()
    if any(row["rtgym_period_error_ms_p99"] is None for row in rows):
        print("rtgym is not installed: no period to compare with")
    if options.memory:
        memory = memory_of(options.memory)
        print(f"memory: {memory['bytes_per_step']:.0f} bytes a step over {memory['steps']} steps")
        if memory["bytes_per_step"] > GROWTH:
            misses.append(f"memory grows by {memory['bytes_per_step']:.0f} bytes a step, allowed {GROWTH:g}")
        keep()
    print("falls short: " + "; ".join(misses) if misses else "pass")
    return int(bool(misses))


def _row(found: Stepped) -> dict[str, Any]:
    overhead, exchange = np.array(found.overhead) / 1e6, np.array(found.exchange) / 1e6
    return {
        "nodes": found.nodes,
        "steps": len(overhead),
        "period_ms": found.period_ns / 1e6,
        "act_bytes": found.act_bytes,
        "obs_bytes": found.obs_bytes,
        **_percentiles("overhead_ms", overhead),
        **_percentiles("bare_ms", exchange),
        "ratio_p50": float(np.percentile(overhead, 50) / np.percentile(exchange, 50)),
        "ratio_p99": float(np.percentile(overhead, 99) / np.percentile(exchange, 99)),
        **_percentiles("host_cpu_ms", np.array(found.cpu) / 1e6),
        **_percentiles("bare_cpu_ms", np.array(found.exchange_cpu) / 1e6),
        "period_error_ms_p99": _error_of_period(found),
        "stolen_percent": found.stolen_percent,
        "late_steps": found.late_steps,
        "faults": found.faults,
    }


def _error_of_period(found: Stepped) -> float:
    return float(np.percentile(np.abs(np.diff(found.returned) - found.period_ns) / 1e6, 99))


def page(
    rows: Sequence[dict[str, Any]], memory: dict[str, float] | None, misses: Sequence[str], about: dict[str, Any]
) -> str:
    """The figures for people."""
    words = ["nodes", "window", "overhead p50", "p95", "p99 (allowed)", "bare p50", "p95", "p99", "ratio p99"]
    words += ["period error p99", "steady", "rtgym's", "host CPU a step", "stolen"]
    lines = ["| " + " | ".join(words) + " |", "|" + "---|" * len(words)]
    for row in rows:
        peer = row["rtgym_period_error_ms_p99"]
        cells = [
            f"{row['nodes']}",
            f"{row['period_ms']:.0f}",
            f"{row['overhead_ms_p50']:.2f}",
            f"{row['overhead_ms_p95']:.2f}",
            f"{row['overhead_ms_p99']:.2f} ({CASES[row['nodes']][1]:g})",
            f"{row['bare_ms_p50']:.2f}",
            f"{row['bare_ms_p95']:.2f}",
            f"{row['bare_ms_p99']:.2f}",
            f"{row['ratio_p99']:.2f}",
            f"{row['period_error_ms_p99']:.2f}",
            f"{row['steady_period_error_ms_p99']:.2f}",
            "-" if peer is None else f"{peer:.2f}",
            f"{row['host_cpu_ms_p50']:.1f}",
            "-" if row["stolen_percent"] is None else f"{row['stolen_percent']:.1f} %",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    if memory is not None:
        lines += ["", f"Growth of the host's memory: {memory['bytes_per_step']:.0f} bytes a step ({memory['steps']})."]
    return PAGE.format(
        table="\n".join(lines),
        verdict="; ".join(misses) or "nothing",
        steps=rows[0]["steps"] if rows else 0,
        quick=" (quick: no evidence)" if about["quick"] else "",
        awake=AWAKE if about["cores_awake"] else AS_IS,
        **{name: about[name] for name in ("cpu", "cores", "python", "pyzmq")},
        load=f"{about['load_average_before'][0]:.1f} before, {about['load_average_after'][0]:.1f} after",
    )


def _percentiles(name: str, values: np.ndarray) -> dict[str, float]:
    return {f"{name}_p{p}": float(np.percentile(values, p)) for p in (50, 95, 99)}


def _line(row: dict[str, Any]) -> str:
    faults = ", ".join(f"{kind} {count}" for kind, count in sorted(row["faults"].items())) or "none"
    peer = row["rtgym_period_error_ms_p99"]
    return (
        f"{row['nodes']:>5} {row['overhead_ms_p50']:>13.2f} {row['overhead_ms_p99']:>6.2f} {row['bare_ms_p50']:>7.2f} "
        f"{row['bare_ms_p99']:>6.2f} {row['ratio_p99']:>6.2f} {row['host_cpu_ms_p50']:>9.2f} "
        f"{row['period_error_ms_p99']:>11.2f} {row['steady_period_error_ms_p99']:>7.2f} "
        f"{'-' if peer is None else format(peer, '.2f'):>6}  {faults}"
    )


def _misses(row: dict[str, Any]) -> list[str]:
    nodes, found = row["nodes"], row["overhead_ms_p99"]
    misses = []
    if found > CASES[nodes][1]:
        misses.append(f"{nodes} nodes: overhead p99 {found:.1f} ms, allowed {CASES[nodes][1]:g}")
    if row["ratio_p99"] > RATIO:
        misses.append(f"{nodes} nodes: {row['ratio_p99']:.1f} x a bare exchange, allowed {RATIO:g}")
    error, peer = row["steady_period_error_ms_p99"], row["rtgym_period_error_ms_p99"]
    if peer is not None and error > PERIOD_RATIO * peer:
        misses.append(f"{nodes} nodes: period error p99 {error:.2f} ms, allowed {PERIOD_RATIO:g} x rtgym's {peer:.2f}")
    lost = {kind: count for kind, count in row["faults"].items() if kind != "STALE"}
    if lost:
        misses.append(f"{nodes} nodes: false {', '.join(lost)}")
    return misses


def _peer(period_ms: float, steps: int) -> float | None:
    try:
        periods_ms = np.array(rtgym_periods(period_ms / 1e3, steps)) * 1e3
    except Skip:
        return None
    return float(np.percentile(np.abs(periods_ms - period_ms), 99))


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_STEPS} steps instead of {STEPS} per rack")
    parser.add_argument("--nodes", type=_nodes, default=list(CASES), metavar="N,...", help="of 1, 16, 100")
    parser.add_argument("--memory", type=int, metavar="STEPS", help="growth of the host over so many steps (10000)")
    parser.add_argument("--as-is", action="store_true", help="let cores fall asleep")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything with its provenance")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table as a page")
    return parser.parse_args(arguments)


def _nodes(text: str) -> list[int]:
    found = [int(word) for word in text.split(",") if word.strip().isdigit()]
    if not found or not set(found) <= set(CASES):
        raise argparse.ArgumentTypeError(f"{text!r}; allowed: {', '.join(map(str, CASES))}")
    return found


if __name__ == "__main__":
    raise SystemExit(main())
