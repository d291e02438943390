"""The page of FCPO's claims: the paper's figure, ours, and whether it is borne out.

    python benchmarks/fcpo/summary.py [FOLDER] [--out FILE]

Reads the results that the other benchmarks left in FOLDER (benchmarks/fcpo/results) and writes README.md there.
"""

from __future__ import annotations

import sys

from benchmarks._study.page import write_page

ORDER = ("rivals", "warm_start", "continual", "federation", "ablation", "plus", "overhead", "training_time")
HEAD = """# FCPO: what the paper claims, and what we find

Written by `python benchmarks/fcpo/summary.py` from the results in this folder; every section names its command. All on
the simulator, with synthetic profiles (docs/scenarios.md) and, where they are, the measured traces. Intervals are 95 %
over training seeds.
"""


def main(argv: list[str] | None = None) -> int:
    return write_page(__doc__ or "", HEAD, "fcpo", ORDER, argv)


if __name__ == "__main__":
    sys.exit(main())
