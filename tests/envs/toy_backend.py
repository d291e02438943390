"""A third-party backend in NumPy: stations that serve a few requests a second, some devices that leave for a while.

It follows docs/contract.md where an environment can see it (settings, validity, accounting), and is what
`octogym.testing` is tried on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import numpy as np

from octogym.cluster.decision import Decision
from octogym.cluster.draws import uniform_of
from octogym.cluster.options import SimOptions
from octogym.cluster.scenario import FixedPlan, Scenario
from octogym.cluster.settings import KEEP, Settings
from octogym.cluster.telemetry import BINS, BY_HOST, BY_SAFE, COUNTERS, RESULTS, Telemetry, latency_bin_edges_ns
from octogym.cluster.topology import Camera, Cluster, Device, DeviceType, Instance, Profile, Route, Stage
from octogym.cluster.workload import CountTable, RateTable, WorkloadPlan

SECOND = 1_000_000_000
_STREAM = 77


def toy_scenario(
    sizes: Sequence[tuple[int, int, int]] = ((2, 8, 2), (1, 16, 4), (4, 4, 2)), horizon_s: int = 20
) -> Scenario:
    """One device, camera and detector per entry of `sizes` (R, B, M); every request is a result."""
    initial = Settings(batch=2)
    stage = Stage("watch", "detector", True, (), (100,) * 5, 4)
    devices, instances, cameras, routes = [], [], [], []
    for i, (R, B, M) in enumerate(sizes):
        devices.append(Device(f"node-{i}", DeviceType(f"type-{i}", 4, thread_actions=M), "camera"))
        profile = Profile(
            "detector", f"type-{i}", tuple(range(10**6, 10**6 * (B + 1), 10**6)), 10**6, 10**6, 0, False, "toy"
        )
        name = f"node-{i}/watch.detector"
        instances.append(Instance(name, i, i, 0, profile, 1.0, R, B, M, initial, Settings(), True))
        cameras.append(Camera(f"eye-{i}", i, "watch", 0, 10.0, 1000, SECOND // 4))
        routes.append(Route(len(sizes) + i, 0, i, i, 1000, -1))
    cluster = Cluster(
        "toy",
        tuple(devices),
        tuple(cameras),
        (stage,),
        (),
        tuple(instances),
        tuple(routes),
        ("thing",),
        {"watch": SECOND // 4},
    )
    none = np.zeros(1, np.int64)
    counts = CountTable(("c",), np.ones((1, 1, 1), np.int16), none + 1, none + 1000)
    rates = RateTable(("r",), none[None], none[None] + 10**9, none + 1, none + SECOND)
    plan = FixedPlan(WorkloadPlan((), (), ()))
    return Scenario("toy", "for tests", cluster, counts, rates, plan, horizon_s, SimOptions())


class ToyBackend:
    """`absent`: device -> (first, last + 1) window in which it is away; `silent`: the same for instances whose report
    is missing."""

    def __init__(
        self,
        scenario: Scenario | None = None,
        num_envs: int = 1,
        absent: Mapping[int, tuple[int, int]] | None = None,
        silent: Mapping[int, tuple[int, int]] | None = None,
        mean_rate: float = 20.0,
    ) -> None:
        self.scenario = scenario or toy_scenario()
        self.cluster, self.num_envs = self.scenario.cluster, num_envs
        self._absent, self._silent, self._mean = dict(absent or {}), dict(silent or {}), mean_rate
        E, S = num_envs, self.cluster.S
        self._seed = np.full(E, -1, np.int64)
        self._step = np.zeros(E, np.int64)
        self._kept = np.zeros((E, S), np.int64)
        self._asked = np.full((2, E, S), KEEP)
        self._pool = np.zeros((E, S), np.int64)
        self.closed = False
        shape = {"E": E, "S": S, "D": self.cluster.D, "L": self.cluster.L, "C": self.cluster.C, "R": self.cluster.R}
        self._t = Telemetry(**{f.name: np.zeros(*_layout(f.name, shape)) for f in fields(Telemetry)})

    def reset(
        self,
        seed: int | Sequence[int] | None = None,
        mask: np.ndarray | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> Telemetry:
        E = self.num_envs
        mask = np.ones(E, bool) if mask is None else np.asarray(mask, bool)
        self.options = dict(options or {})
        if seed is None:
            seeds = np.where(self._seed < 0, np.arange(E), self._seed + E)
        else:
            seeds = np.broadcast_to(seed, E) + (np.arange(E) if np.ndim(seed) == 0 else 0)
        self._seed[mask] = seeds[mask]
        t = self._t
        for f in fields(Telemetry):
            getattr(t, f.name)[mask] = 0
        for array in (self._step, self._kept, self._pool):
            array[mask] = 0
        self._asked[:, mask] = KEEP
        for s, instance in enumerate(self.cluster.instances):
            self._apply(np.where(mask)[0], s, instance.initial, BY_HOST)
            t.active[mask, s] = instance.active
        t.requested_pre[mask], t.requested_post[mask] = t.pre[mask], t.post[mask]
        t.share_milli[mask] = [route.share_milli for route in self.cluster.routes]
        self._presence(mask)
        return t

    def step(self, decision: Decision) -> Telemetry:
        decision.validate(self.cluster, self.num_envs)
        t, everyone = self._t, np.ones(self.num_envs, bool)
        for e in range(self.num_envs):
            for s in range(self.cluster.S):
                self._decide(e, s, decision)
        t.share_milli[:] = np.where(decision.share_milli == 65535, t.share_milli, decision.share_milli)
        before = t.present.copy()
        t.latency_hist[:] = t.leaf_hist[:] = 0
        self._presence(everyone)
        for e in range(self.num_envs):
            for s in range(self.cluster.S):
                self._serve(e, s, bool(before[e, s]))
        for name in COUNTERS + RESULTS:
            total = getattr(t, "total_" + name)
            total += getattr(t, name)
        self._step += 1
        t.t_ns[:] = self._step * SECOND
        t.window_ns[:] = SECOND
        return t

    def close(self) -> None:
        self.closed = True

    def _presence(self, mask: np.ndarray) -> None:
        t = self._t
        for s in range(self.cluster.S):
            away = self._within(self._absent.get(s))
            mute = self._within(self._silent.get(s)) | away
            t.present[mask, s] = ~away[mask]
            t.valid[mask, s] = ~mute[mask]
            t.age_ns[mask, s] = np.where(mute, t.age_ns[:, s] + SECOND, 0)[mask]

    def _within(self, span: tuple[int, int] | None) -> np.ndarray:
        return np.zeros(self.num_envs, bool) if span is None else (self._step >= span[0]) & (self._step < span[1])

    def _apply(self, e: Any, s: int, x: Settings, by: int) -> None:
        t = self._t
        t.pack[e, s], t.batch[e, s], t.pre[e, s], t.post[e, s] = x.pack, x.batch, x.pre, x.post
        t.timeout_ns[e, s], t.set_by[e, s] = x.timeout_ns, by

    def _decide(self, e: int, s: int, d: Decision) -> None:
        t = self._t
        given = {name: int(getattr(d, name)[e, s]) for name in ("pack", "batch", "pre", "post", "timeout_ns")}
        if d.active[e, s] != KEEP:
            t.active[e, s] = d.active[e, s]
        self._kept[e, s] = self._kept[e, s] + 1 if all(v == KEEP for v in given.values()) else 0
        if self._kept[e, s] > self.cluster.settings_validity:
            self._apply(e, s, self.cluster.instances[s].safe, BY_SAFE)
        for name in ("pack", "batch", "timeout_ns"):
            if given[name] != KEEP:
                getattr(t, name)[e, s] = given[name]
        if any(v != KEEP for v in given.values()):
            t.set_by[e, s] = BY_HOST
        if given["pre"] == given["post"] == KEEP:
            self._asked[:, e, s] = KEEP
            return
        pair = [getattr(t, n)[e, s] if given[n] == KEEP else given[n] for n in ("pre", "post")]
        if list(self._asked[:, e, s]) == pair:
            t.pre[e, s], t.post[e, s] = pair
        self._asked[:, e, s] = t.requested_pre[e, s], t.requested_post[e, s] = pair

    def _serve(self, e: int, s: int, was_here: bool) -> None:
        """Requests arrive at a drawn rate; a batch's worth is served per 50 ms; the rest waits or is dropped."""
        t, seed, k = self._t, int(self._seed[e]), int(self._step[e])
        for name in COUNTERS:
            getattr(t, name)[e, s] = 0
        for name in RESULTS:
            getattr(t, name)[e, s] = 0
        t.local_latency_ns[e, s] = 0
        here = bool(t.present[e, s])
        if not here:
            t.lost[e, s] = t.lost_results[e, s] = t.in_stage[e, s] if was_here else 0
            t.in_stage[e, s] = t.in_flight[e, s] = t.overdue[e, s] = 0
            t.queue[e, s] = 0
            return
        arrived = int(2 * self._mean * uniform_of(seed, _STREAM, s, k))
        late = arrived // 10
        waiting = int(t.in_stage[e, s]) + arrived - late
        batch = int(t.batch[e, s])
        done = waiting // batch * batch if waiting >= batch else 0
        done = min(done, 20 * batch)
        full = max(waiting - done - 100, 0)
        latency = int(SECOND * (0.01 * batch + 0.002 * (waiting - done)))
        good = done if latency <= SECOND // 4 else 0
        values = (arrived, done, done, good, full, late, 0, 0, 0)
        for name, value in zip(COUNTERS, values, strict=True):
            getattr(t, name)[e, s] = value
        left = waiting - done - full
        t.in_stage[e, s] = t.queue[e, s, 0] = t.in_flight[e, s] = left
        t.overdue[e, s] = 0
        t.local_latency_ns[e, s] = latency if done else 0
        for name, value in zip(RESULTS, (arrived, good, done - good, full + late, 0, 0), strict=True):
            getattr(t, name)[e, s] = value
        bin_ = int(np.searchsorted(latency_bin_edges_ns(), latency, "right")) - 1
        t.latency_hist[e, s, bin_] = t.leaf_hist[e, s, bin_] = done


def _layout(name: str, n: Mapping[str, int]) -> tuple[tuple[int, ...], type]:
    E, S = n["E"], n["S"]
    special: dict[str, tuple[tuple[int, ...], type]] = {
        "t_ns": ((E,), np.int64),
        "window_ns": ((E,), np.int64),
        "queue": ((E, S, 5), np.int32),
        "latency_hist": ((E, S, BINS), np.uint32),
        "leaf_hist": ((E, S, BINS), np.uint32),
        "active": ((E, S), np.int8),
        "set_by": ((E, S), np.int8),
        "valid": ((E, S), np.int8),
        "share_milli": ((E, n["R"]), np.uint16),
        "present": ((E, n["D"]), np.int8),
        "gpu_busy_ns": ((E, n["D"]), np.int64),
        "cpu_threads": ((E, n["D"]), np.int32),
        **dict.fromkeys(("bandwidth_bps", "sent_bytes", "link_busy_ns"), ((E, n["L"]), np.int64)),
        **dict.fromkeys(("pack", "batch", "pre", "post", "requested_pre", "requested_post"), ((E, S), np.int32)),
    }
    cameras = ("frames", "objects", *RESULTS, *["total_" + r for r in RESULTS], "in_flight", "overdue")
    return special.get(name) or ((E, n["C"] if name in cameras else S), np.int64)


class Scripted(ToyBackend):
    """A toy whose windows report what the script says: one dict of telemetry fields per window, the last held."""

    def __init__(self, script: Sequence[Mapping[str, Any]], **settings: Any) -> None:
        super().__init__(**settings)
        self._script = list(script)

    def step(self, decision: Decision) -> Telemetry:
        window = self._script[min(int(self._step[0]), len(self._script) - 1)]
        t = super().step(decision)
        for name, value in window.items():
            getattr(t, name)[:] = value
        return t
