"""The page of a paper's claims: its figure, ours, and whether it is borne out."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks._study.report import table


def write_page(description: str, head: str, study: str, order: Sequence[str], argv: list[str] | None) -> int:
    """Read what the benchmarks of `benchmarks/STUDY/` left in its folder `results` and write README.md there.

    `description`: for --help; `head`: the first lines of the page; `order`: of the benchmarks on it.
    """
    results = Path(__file__).parents[1] / study / "results"
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=results)
    parser.add_argument("--out", type=Path, help="default: README.md in the folder")
    options = parser.parse_args(argv)
    found = {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in sorted(options.folder.glob("*.json"))}
    if not found:
        print(
            f"{options.folder}: no results; run the benchmarks with --json {options.folder}/NAME.json first",
            file=sys.stderr,
        )
        return 2
    names = [name for name in order if name in found] + [name for name in found if name not in order]
    text = head + "".join(_section(study, options.folder, name, found[name]) for name in names)
    missing = [name for name in order if name not in found]
    if missing:
        text += f"\nNot measured: {', '.join(missing)}.\n"
    out = options.out or options.folder / "README.md"
    out.write_text(text, encoding="utf-8")
    print(f"{out}: {sum(len(found[name].get('verdicts', [])) for name in names)} claims")
    return 0


def _section(study: str, folder: Path, name: str, content: dict[str, Any]) -> str:
    """One benchmark's claims, tables and plots."""
    settings = " ".join(f"--{key} {value}" for key, value in content.get("settings", {}).items())
    quick = " (quick: no evidence)" if content.get("quick") else ""
    lines = [f"\n## {name}\n", f"`{f'python benchmarks/{study}/{name}.py {settings}'.strip()}`{quick}\n"]
    words = {True: "yes", False: "no", None: "-"}
    rows = [(v["claim"], v["paper"], v["ours"], words[v["borne_out"]], v["why"]) for v in content.get("verdicts", [])]
    if rows:
        lines.append(table(("claim", "paper", "ours", "borne out", "why not"), rows) + "\n")
    for one in content.get("tables", []):
        lines.append(f"{one['title']}\n\n{table(one['head'], one['rows'])}\n")
    lines += [f"![{file.stem}]({file.name})\n" for file in sorted(folder.glob(f"{name}*.png"))]
    return "\n".join(lines)
