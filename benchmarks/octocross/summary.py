"""The page of OctoCross's claims: the paper's figure, ours, and whether it is borne out.

    python benchmarks/octocross/summary.py [FOLDER] [--out FILE]

Reads the results that the other benchmarks left in FOLDER (benchmarks/octocross/results) and writes README.md there.
"""

from __future__ import annotations

import sys

from benchmarks._study.page import write_page

ORDER = ("table2", "rule", "churn", "forecast", "convergence", "rack", "scheduling_time")
HEAD = """# OctoCross: what the paper claims, and what we find

Written by `python benchmarks/octocross/summary.py` from the results in this folder; every section names its command.
All on the simulator, with synthetic profiles (docs/scenarios.md) and, where they are, the measured traces. Intervals
are 95 % over runs (a run: a training seed and its own workloads). `octocross` decides by our
rule, `octocross,published` by the paper's on the same model (docs/octocross.md).

A throughput gain of 4 to 5.8 times is no matter of moving work alone: the pool of all devices holds 1.2 to 1.5 times
what fits locally (the pooling bound, drawn in the plot of table2). It comes from collapse: a node that gets a little
more than it sustains delivers hardly anything on time. Nothing here is tuned to reach the published factors.
"""


def main(argv: list[str] | None = None) -> int:
    return write_page(__doc__ or "", HEAD, "octocross", ORDER, argv)


if __name__ == "__main__":
    sys.exit(main())
