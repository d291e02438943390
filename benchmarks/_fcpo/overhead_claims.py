"""What the overhead benchmark says of the paper's claims."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks._study.report import verdict


def claims(costs: Sequence[Any], bcedge: Mapping[str, float] | str, short: Sequence[str]) -> list[dict[str, Any]]:
    """Lines of the summary page. `costs`: per agent, `benchmarks.fcpo.overhead.Cost`; `bcedge`: figures, or why not."""
    payload = max(c.payload_bytes for c in costs)
    update = max(max(c.update_ms, c.update_full_ms) for c in costs)
    lines = [
        verdict(
            "an update (or a fine-tune) takes less than 300 ms", "< 300 ms", f"at most {update:.1f} ms, here", True
        ),
        verdict(
            "an agent's model is small on the wire",
            "53 KB",
            f"at most {payload / 1e3:.1f} kB with framing",
            payload < 53e3,
        ),
        verdict("the budget of docs/fcpo.md holds", "(our aim)", "pass" if not short else "; ".join(short), not short),
    ]
    if not isinstance(bcedge, str):
        memory = max(c.resident_bytes for c in costs)
        less = bcedge["resident_bytes"] / memory
        lines.insert(
            0,
            verdict(
                "memory up to 10 times less than BCEdge's",
                "up to 10x",
                f"{less:.1f}x ({memory / 1e3:.0f} kB an agent against {bcedge['resident_bytes'] / 1e3:.0f} kB)",
                less >= 10,
                ""
                if less >= 10
                else "counted as arrays beyond the interpreter; BCEdge has one agent for a whole device",
            ),
        )
    return lines
