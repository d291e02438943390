"""How the synthetic traces compare with the measured ones; writes report.md and report.json beside this file.

    python benchmarks/traces/report.py [--json FILE] [--quick]

Figures are medians over seeds 0 to 4 (``--quick``: seed 0 alone, and only the JSON file is written). Needs the measured
traces (``octogym data fetch``).
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path

from octogym.cluster.traces import load_real, synthetic_set
from octogym.cluster.traces.report import Line, as_markdown, compare, differs

HERE = Path(__file__).parent


def over_seeds(reports: list[list[Line]]) -> list[Line]:
    """The lines of several seeds as one: median of the medians, widest range."""
    merged = []
    for lines in zip(*reports, strict=True):
        known = [line.synthetic for line in lines if line.synthetic is not None]
        ranges = [line.synthetic_range for line in lines if line.synthetic_range is not None]
        middle = statistics.median(known) if known else None
        wide = (min(low for low, _ in ranges), max(high for _, high in ranges)) if ranges else None
        line = lines[0]._replace(synthetic=middle, synthetic_range=wide)
        merged.append(line._replace(differs=differs(line)))
    return merged


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, help="write the figures there (default: report.json beside this file)")
    parser.add_argument("--quick", action="store_true", help="one seed; leaves report.md as it is")
    options = parser.parse_args()
    seeds = range(1 if options.quick else 5)
    real = load_real()
    lines = over_seeds([compare(synthetic_set(seed), real) for seed in seeds])
    text = as_markdown(lines)
    print(text)
    figures = {
        "command": "python benchmarks/traces/report.py",
        "seeds": list(seeds),
        "real_sha256": real.sha256,
        "synthetic_sha256": {str(seed): synthetic_set(seed).sha256 for seed in seeds},
        "lines": [line._asdict() for line in lines],
    }
    file = options.json or (None if options.quick else HERE / "report.json")
    if file is not None:
        file.write_text(json.dumps(figures, indent=1) + "\n")
    if not options.quick:
        marked = sum(bool(line.differs) for line in lines)
        (HERE / "report.md").write_text(
            "# Synthetic and measured traces\n\n"
            "Written by `python benchmarks/traces/report.py`. Median over the series of a group (least to greatest);\n"
            'synthetic: median over seeds 0 to 4. "differs": by more than 25 %, for correlations and shares by more\n'
            f"than 0.1. {marked} of {len(lines)} figures differ; docs/traces.md says why.\n\n{text}"
        )


if __name__ == "__main__":
    main()
