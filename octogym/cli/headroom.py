"""The headroom that `octogym scenarios` shows: measured by benchmarks/headroom.py, kept beside the scenarios."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from octogym.cluster.fingerprint import fingerprint
from octogym.cluster.registry import load_scenario
from octogym.cluster.scenario import Scenario


def stated_headroom(scenario: Scenario) -> str:
    """In words; empty where nothing was measured, or the scenario has changed since."""
    row = _read().get(scenario.name)
    if row is None or row["scenario_sha256"] != _state(scenario):
        return ""
    static, best = 100 * row["tuned_static"], 100 * row["hindsight"]
    words = f"tuned static {static:.1f} %, best in hindsight {best:.1f} % on time ({row['traces']} traces)"
    return words if row["headroom"] else f"none: {words}"


def publish(rows: Iterable[Mapping[str, Any]]) -> Path:
    """Keep the figures of rows of benchmarks/headroom.py for `stated_headroom`; other scenarios' stay."""
    known = _read()
    for row in rows:
        if "error" not in row:
            known[row["scenario"]] = {
                "scenario_sha256": _state(load_scenario(row["scenario"])),
                "headroom": row["headroom"],
                "tuned_static": round(row["tuned_static"]["on_time_share"]["mean"], 4),
                "hindsight": round(row["hindsight"]["on_time_share"]["mean"], 4),
                "traces": row["traces"],
                "seeds": row["seeds"],
                "horizon_s": row["horizon_s"],
            }
    _file().write_text(json.dumps(dict(sorted(known.items())), indent=1) + "\n", encoding="utf-8")
    return _file()


def _file() -> Path:
    return Path(__file__).resolve().parent.parent / "cluster" / "scenarios" / "headroom.json"


def _read() -> dict[str, dict[str, Any]]:
    return json.loads(_file().read_text(encoding="utf-8")) if _file().exists() else {}


def _state(scenario: Scenario) -> str:
    """What was measured, whatever traces are at hand: cluster, load programme and options."""
    programme = getattr(scenario.planner, "settings", None)
    return fingerprint((scenario.cluster, programme, scenario.options, scenario.horizon_s))
