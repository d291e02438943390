"""The page of FCPO's claims: the paper's figure, ours, and whether it is borne out.

    python benchmarks/fcpo/summary.py [FOLDER] [--out FILE]

Reads the results that the other benchmarks left in FOLDER (benchmarks/fcpo/results) and writes README.md there.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from benchmarks._fcpo.report import table

RESULTS = Path(__file__).parent / "results"
ORDER = ("rivals", "warm_start", "continual", "federation", "ablation", "plus", "overhead", "training_time")
HEAD = """# FCPO: what the paper claims, and what we find

Written by `python benchmarks/fcpo/summary.py` from the results in this folder; every section names its command. All on
the simulator, with synthetic profiles (docs/scenarios.md) and, where they are, the measured traces. Intervals are 95 %
over training seeds.
"""


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=RESULTS)
    parser.add_argument("--out", type=Path, help="default: README.md in the folder")
    options = parser.parse_args(argv)
    found = {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in sorted(options.folder.glob("*.json"))}
    if not found:
        print(
            f"{options.folder}: no results; run the benchmarks with --json {options.folder}/NAME.json first",
            file=sys.stderr,
        )
        return 2
    names = [name for name in ORDER if name in found] + [name for name in found if name not in ORDER]
    text = HEAD + "".join(section(name, found[name]) for name in names)
    missing = [name for name in ORDER if name not in found]
    if missing:
        text += f"\nNot measured: {', '.join(missing)}.\n"
    out = options.out or options.folder / "README.md"
    out.write_text(text, encoding="utf-8")
    print(f"{out}: {sum(len(found[name].get('verdicts', [])) for name in names)} claims")
    return 0


def section(name: str, content: dict[str, Any]) -> str:
    """One benchmark's claims."""
    lines = [f"\n## {name}\n"]
    settings = " ".join(f"--{key} {value}" for key, value in content.get("settings", {}).items())
    lines.append(
        f"`python benchmarks/fcpo/{name}.py {settings}`{' (quick: no evidence)' if content.get('quick') else ''}\n"
    )
    words = {True: "yes", False: "no", None: "-"}
    rows = [(v["claim"], v["paper"], v["ours"], words[v["borne_out"]], v["why"]) for v in content.get("verdicts", [])]
    if rows:
        lines.append(table(("claim", "paper", "ours", "borne out", "why not"), rows) + "\n")
    if (RESULTS / f"{name}.png").exists():
        lines.append(f"![{name}]({name}.png)\n")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
