"""The table, and the file that keeps its rows."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

Row = Mapping[str, Any]

HEAD = (
    "on time, % of generated results; minutes = tuned static, mean over instance-minutes; local, pooled, +server =\n"
    "work that fits on its own device, on all of them, with the servers; link = share of links bound, tuned static\n"
    f"{'scenario':<16} {'traces':<9} {'common':>6} {'tuned':>6} {'minutes':>8} {'rule':>6} {'hindsight':>9} "
    f"{'gain':>6} {'local':>6} {'pooled':>6} {'+server':>7} {'link':>6}  headroom"
)


def line(row: Row) -> str:
    """One line of the table."""
    if "error" in row:
        return f"{row['scenario']:<16} failed: {row['error']}"
    share = {
        policy: 100 * row[policy]["on_time_share"]["mean"]
        for policy in ("common_batch", "tuned_static", "rate_rule", "hindsight")
    }
    minutes = 100 * row["tuned_static"]["on_time_share_instance_minutes"]["mean"]
    bound = 100 * row["tuned_static"]["link_bound_share"]["mean"]
    fits = row["bounds"]
    limits = (
        f"{100 * fits['local']:6.1f} {100 * fits['pooled']:6.1f} {100 * fits['with_servers']:7.1f}"
        if fits
        else f"{'-':>6} {'-':>6} {'-':>7}"
    )
    parts = (
        f"{row['scenario']:<16} {row['traces']:<9} {share['common_batch']:6.1f} {share['tuned_static']:6.1f}",
        f"{minutes:8.1f} {share['rate_rule']:6.1f} {share['hindsight']:9.1f} {100 * row['gain']:+6.1f} {limits}",
        f"{bound:6.1f}  {'yes' if row['headroom'] else 'no: ' + row['reason']}",
    )
    return " ".join(parts)


def summary(rows: Iterable[Row]) -> str:
    rows = list(rows)
    return f"{sum(bool(row.get('headroom')) for row in rows)} of {len(rows)} scenarios have headroom"


class Store:
    """Rows by scenario, written to a file as each comes in, so that an interrupted run loses none.

    Args:
        file: JSON, a list of rows; None keeps them in memory alone.
        resume: begin with the rows that are there; else with those of scenarios that this run does not measure.

    Raises:
        ValueError: the file is there and holds something else.
    """

    def __init__(self, file: Path | None, resume: bool, measured: Iterable[str]) -> None:
        self.file = file
        self._rows: dict[str, dict[str, Any]] = {}
        if file is not None and file.exists():
            try:
                rows = json.loads(file.read_text(encoding="utf-8"))
                self._rows = {row["scenario"]: row for row in rows}
            except (ValueError, TypeError, KeyError) as error:
                raise ValueError(f"{file}: no list of rows of this benchmark ({error})") from error
        if not resume:
            for name in measured:
                self._rows.pop(name, None)

    def finished(self, name: str, identity: str) -> dict[str, Any] | None:
        """The row of a scenario that was measured on just this, or None."""
        row = self._rows.get(name)
        return row if row is not None and "error" not in row and row.get("identity") == identity else None

    def add(self, row: dict[str, Any]) -> None:
        self._rows[row["scenario"]] = row
        if self.file is None:
            return
        self.file.parent.mkdir(parents=True, exist_ok=True)
        # Whole or not at all: what was measured before must outlive an interruption here.
        part = self.file.with_name(f"{self.file.name}.{os.getpid()}")
        part.write_text(json.dumps(list(self._rows.values()), indent=1) + "\n", encoding="utf-8")
        part.replace(self.file)
