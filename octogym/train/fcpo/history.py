"""How training went: figures per system and block of windows, kept as plain columns."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import astuple, fields
from pathlib import Path

import numpy as np

from octogym.agents.fcpo.policy import Update
from octogym.cluster.topology import Cluster
from octogym.train.fcpo.world import Lived

#: Figures of a block. Rates in results per second and environment; `updates`: of the agent that has fewest.
COLUMNS = (
    "seed",
    "t_s",
    "updates",
    "reward",
    "effective_throughput",
    "throughput",
    "generated",
    "on_time_share",
    "latency_s",
    "loss",
    "policy_loss",
    "value_loss",
    "skipped",
    "rounds",
)
_UPDATE = len(fields(Update))
_SUMS = ("reward", "windows", "on_time", "late", "generated", "latency_ns", "latency_n")


class History:
    """Collects windows and updates of all systems; a row per system and block of `block` windows."""

    def __init__(self, cluster: Cluster, seeds: Sequence[int], rows: int, block: int = 100) -> None:
        self.seeds, self._rows, self._block = tuple(seeds), rows, block
        self._period_s = cluster.period_ns / 1e9
        self.columns: dict[str, list[float]] = {name: [] for name in COLUMNS}
        self._sums = dict.fromkeys(_SUMS, np.zeros(len(self.seeds)))
        self._updates: list[Update] = []
        self.windows = 0

    def window(self, lived: Lived, done: np.ndarray, rounds: np.ndarray) -> dict[str, float] | None:
        """Add a window; at a block's end, the mean of its new rows over systems. `done` int [systems]: updates of the
        agent with fewest; `rounds` int [systems]: federated rounds so far."""
        t = lived.telemetry
        seen = {
            "reward": lived.reward.mean(1),
            "windows": np.ones(len(t.t_ns)),
            "on_time": t.on_time_results.sum(1),
            "late": t.late.sum(1),
            "generated": t.generated.sum(1),
            "latency_ns": (t.local_latency_ns * (t.local_latency_ns > 0)).sum(1),
            "latency_n": (t.local_latency_ns > 0).sum(1),
        }
        self._sums = {name: self._sums[name] + self._of_systems(values) for name, values in seen.items()}
        self.windows += 1
        return self._close(done, rounds) if self.windows % self._block == 0 else None

    def updates(self, updates: list[Update]) -> None:
        """Add local updates."""
        self._updates += updates

    def _of_systems(self, values: np.ndarray) -> np.ndarray:
        return np.asarray(values, np.float64).reshape(len(self.seeds), self._rows).sum(1)

    def _close(self, done: np.ndarray, rounds: np.ndarray) -> dict[str, float]:
        s = self._sums
        seconds = s["windows"] * self._period_s
        for k, seed in enumerate(self.seeds):
            mine = [u for u in self._updates if u.system == k]
            row = {
                "seed": seed,
                "t_s": self.windows * self._period_s,
                "updates": int(done[k]),
                "reward": s["reward"][k] / s["windows"][k],
                "effective_throughput": s["on_time"][k] / seconds[k],
                "throughput": (s["on_time"][k] + s["late"][k]) / seconds[k],
                "generated": s["generated"][k] / seconds[k],
                "on_time_share": s["on_time"][k] / max(s["generated"][k], 1),
                "latency_s": s["latency_ns"][k] / max(s["latency_n"][k], 1) / 1e9,
                "loss": _mean([u.loss for u in mine]),
                "policy_loss": _mean([u.policy_loss for u in mine]),
                "value_loss": _mean([u.value_loss for u in mine]),
                "skipped": _mean([float(u.skipped) for u in mine]),
                "rounds": int(rounds[k]),
            }
            for name in COLUMNS:
                self.columns[name].append(float(row[name]))
        self._sums = dict.fromkeys(_SUMS, np.zeros(len(self.seeds)))
        self._updates = []
        return {name: _mean(self.columns[name][-len(self.seeds) :]) for name in COLUMNS}

    def write(self, file: str | Path) -> None:
        """As CSV with `COLUMNS`; empty cells where a block had no update."""
        with open(file, "w", newline="", encoding="utf-8") as out:
            writer = csv.writer(out, lineterminator="\n")
            writer.writerow(COLUMNS)
            for row in zip(*(self.columns[name] for name in COLUMNS), strict=True):
                writer.writerow(["" if np.isnan(value) else f"{value:.10g}" for value in row])

    def rows(self) -> dict[str, np.ndarray]:
        """The rows so far, float64 by column."""
        return {name: np.array(values, np.float64) for name, values in self.columns.items()}

    def state(self) -> dict[str, np.ndarray]:
        """Everything, the block under way included."""
        state = {f"rows.{name}": values for name, values in self.rows().items()}
        state.update({f"sums.{name}": np.array(values) for name, values in self._sums.items()})
        state["updates"] = np.array([astuple(update) for update in self._updates], np.float64).reshape(-1, _UPDATE)
        state["windows"] = np.array(self.windows)
        return state

    def load(self, state: dict[str, np.ndarray]) -> None:
        """Go on from a `state`."""
        self.columns = {name: state[f"rows.{name}"].tolist() for name in COLUMNS}
        self._sums = {name: state[f"sums.{name}"] for name in _SUMS}
        self._updates = [
            Update(int(k), int(s), reward, loss, policy, value, bool(skipped))
            for k, s, reward, loss, policy, value, skipped in state["updates"].tolist()
        ]
        self.windows = int(state["windows"])


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else float("nan")
