"""How soon faults of a rack are noticed, and what the protocol's virtual clock can do; issue 5.

    python benchmarks/bridge/faults.py [--quick] [--json FILE]

Over real sockets with CURVE, half-second windows, nodes on this machine: from SIGSTOP of a node and from the moment at
which a link swallows everything to LINK_DOWN; whether the very window in which an interpreter got stuck is STALE; from
`keys revoke` to the key's end. On the virtual clock: how many random histories of three devices and five faults are run
and checked in a minute of processor time, and what memory 100,000 steps leave behind. The last line says `pass`, or
`falls short:` and by what; the exit status is 0 or 1 accordingly.
"""

from __future__ import annotations

import os

# One core, before NumPy starts its threads.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import gc
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

# The checkout, where the package is not installed.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))

import numpy as np

from benchmarks._bridge import noticed
from benchmarks._bridge.provenance import provenance
from tests.bridge.protocol.histories import SECOND, history, quiet_rack

TRIALS, QUICK_TRIALS = 12, 3
STEPS, QUICK_STEPS = 100_000, 2_000
HISTORIES_S, QUICK_HISTORIES_S = 60.0, 3.0
#: Allowed: seconds until a lost link is noticed; ticks that a stuck interpreter goes unnoticed; seconds until a key has
#: ended (the host looks ten times a second); blocks and objects that so many steps leave behind; histories per minute.
LINK_S, TICKS, REVOKE_S, BLOCKS, OBJECTS, HISTORIES = 0.5, 0, 0.2, 1000, 300, 1000


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, write. Returns 1 if a budget is exceeded."""
    options = _options(arguments)
    began, load = datetime.now(timezone.utc), os.getloadavg()
    trials = QUICK_TRIALS if options.quick else TRIALS
    found: dict[str, Any] = {}
    misses: list[str] = []
    with tempfile.TemporaryDirectory() as state:
        os.environ["OCTOGYM_STATE"] = state  # where racks leave their logs
        for name, measure, allowed, unit in (
            ("SIGSTOP to LINK_DOWN", noticed.stopped, LINK_S, "s"),
            ("silent link to LINK_DOWN", noticed.swallowed, LINK_S, "s"),
            ("stuck interpreter to STALE", noticed.stuck, TICKS, "ticks"),
            ("revoked key to its end", noticed.revoked, REVOKE_S, "s"),
        ):
            values = measure(trials)
            found[name] = {"unit": unit, "allowed": allowed, "values": values}
            middle, most = float(np.median(values)), max(values)
            print(f"{name:<28} median {middle:.3g}, most {most:.3g} {unit} of {len(values)}", flush=True)
            if most > allowed:
                misses.append(f"{name} {most:.3g} {unit}, allowed {allowed:g}")
    found["histories"] = histories = _histories(QUICK_HISTORIES_S if options.quick else HISTORIES_S)
    print(f"histories per minute of processor time: {histories['per_cpu_minute']:.0f}", flush=True)
    if histories["per_cpu_minute"] < HISTORIES:
        misses.append(f"{histories['per_cpu_minute']:.0f} histories a minute, wanted {HISTORIES}")
    found["memory"] = memory = _memory(QUICK_STEPS if options.quick else STEPS)
    print(f"memory after {memory['steps']} steps: {memory['blocks']} blocks, {memory['objects']} objects more")
    if memory["blocks"] > BLOCKS or memory["objects"] > OBJECTS:
        misses.append(f"memory grows by {memory['blocks']} blocks, {memory['objects']} objects")
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        about = provenance(options.quick, began, load)
        options.json.write_text(json.dumps({**found, "misses": misses, "provenance": about}, indent=2) + "\n")
    print("falls short: " + "; ".join(misses) if misses else "pass")
    return int(bool(misses))


def _histories(seconds: float) -> dict[str, float]:
    """Random histories, one after the other, for so much processor time."""
    began, count = time.process_time(), 0
    while time.process_time() - began < seconds:
        history(100_000 + count)
        count += 1
    spent = time.process_time() - began
    return {"count": count, "cpu_s": spent, "per_cpu_minute": 60 * count / spent}


def _memory(steps: int) -> dict[str, int]:
    """Growth over the second half of `steps` windows of two devices."""
    rack, seen = quiet_rack(period_s=1, keep=50), []
    for until in (100 + steps // 2, 100 + steps):
        rack.run(until * SECOND)
        gc.collect()
        seen.append((sys.getallocatedblocks(), len(gc.get_objects())))
    return {"steps": steps, "blocks": seen[1][0] - seen[0][0], "objects": seen[1][1] - seen[0][1]}


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_TRIALS} trials instead of {TRIALS} of each fault")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything with its provenance")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    raise SystemExit(main())
