"""SimBackend: the simulator behind the `Backend` protocol."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

from octogym.cluster.decision import Decision
from octogym.cluster.errors import TraceError
from octogym.cluster.scenario import Scenario
from octogym.cluster.telemetry import Telemetry
from octogym.sim import entry, layout
from octogym.sim.addresses import Addresses
from octogym.sim.buffers import Buffers
from octogym.sim.tables import build_tables, pack_plan, plan_sizes
from octogym.sim.threads import allowed, run_parts, started

#: Below this many instances in all, threads cost more than they save.
PARALLEL_FROM = 128
_CELLS = 1024


@dataclass(frozen=True)
class Snapshot:
    """State of a whole batch, from `SimBackend.snapshot`."""

    arrays: tuple[np.ndarray, ...]
    seeds: np.ndarray
    pending: Decision | None


class SimBackend:
    """Trace-driven, request-level simulation of `num_envs` clusters of one scenario.

    Environment e uses seed + e; alone or in a batch, with one thread or more, it gives the same bytes.

    Args:
        scenario: what to simulate.
        num_envs: E, environments stepped together.
        threads: CPU threads; used where E x S is large enough to gain.
        log: keep one line per finished request (`requests`), for tests.
        check: validate every decision (ValueError naming array, instance, value, allowed); False saves its time.
    """

    def __init__(
        self, scenario: Scenario, num_envs: int = 1, threads: int = 1, log: bool = False, check: bool = True
    ) -> None:
        if num_envs < 1:
            raise ValueError(f"num_envs = {num_envs}; allowed: 1 or more")
        self.scenario, self.cluster, self.num_envs = scenario, scenario.cluster, num_envs
        self.threads = allowed(threads)
        if self.threads > 1 and num_envs > 1:
            started(min(self.threads, num_envs))
        self.check, self._keeps_log, self._delays = check, log, scenario.options.delay_steps > 0
        self._tables = build_tables(scenario)
        self._m = np.zeros((num_envs, self._tables.words), np.int64)
        self._cells = np.zeros((num_envs, _CELLS * layout.CELL), np.int64)
        self._plan = np.zeros((num_envs, layout.PLAN_HEADER), np.int64)
        self._plans: list[Any] = [None] * num_envs
        self._log = np.zeros((num_envs, 6 * 4096 if log else 0), np.int64)
        self._buffers = Buffers(self.cluster, num_envs)
        self._telemetry = self._buffers.telemetry(self.cluster)
        self._todo = np.zeros(num_envs, np.int64)
        self._addresses = Addresses(self._todo, self._buffers.out, Decision.keep(self.cluster, num_envs))
        self._bind()
        self._seeds, self._begun = np.full(num_envs, -1, np.int64), False  # all of them
        self._pending: Decision | None = None
        self._options: Mapping[str, Any] = {}
        self._kernel = self._prepared()
        self._each: tuple[int, int] | None = None

    # --- Backend -----------------------------------------------------------------------------------------------------

    def reset(
        self,
        seed: int | Sequence[int] | None = None,
        mask: np.ndarray | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> Telemetry:
        """Start all environments or those in `mask` bool [E]. `seed`: int (environment e gets seed + e), one per
        environment, or None: an environment that has run continues with its seed + E, a new one takes e."""
        which = np.ones(self.num_envs, bool) if mask is None else np.asarray(mask, bool)
        if which.shape != (self.num_envs,):
            raise ValueError(f"mask has shape {which.shape}; expected {(self.num_envs,)}")
        seeds = self._next_seeds(seed)
        self._options = dict(options or {})
        for e in np.flatnonzero(which):
            self._seeds[e] = seeds[e]
            self._plans[e] = self.scenario.plan(int(seeds[e]), self._options)
        self._pack_plans(which)
        burst = self._burst()
        if self._cells.shape[1] < 2 * burst * layout.CELL:
            self._grow_cells(2 * burst, which)
        self._buffers.begin(self.cluster, which, self._plans)
        for e in np.flatnonzero(which):
            self._m[e] = 0
            self._buffers.hist[e] = 0
            entry.set_up.call(self._addresses.at, int(e), int(self._seeds[e]))
        self._m[:, layout.BURST] = burst
        self._m[:, layout.LOG_ROOM] = self._log.shape[1] // layout.LOG
        self._pending = None if mask is None else self._pending
        self._look_who_began()
        return self._telemetry

    def step(self, decision: Decision) -> Telemetry:
        """Advance every environment by one period under `decision`."""
        if self._each is not None:
            self._call_each(0, 0)
        return self._step(decision)

    def step_each(self, decision: Decision, function: int, argument: int) -> Telemetry:
        """`step`, and as soon as environment e has finished its window call what is compiled (int64 of two int64) at
        the address `function` with `argument` and e: what its telemetry shows is in the cache then. Calls for
        different environments may come from different threads."""
        if self._each != (function, argument):
            self._call_each(function, argument)
        return self._step(decision)

    def _call_each(self, function: int, argument: int) -> None:
        self._addresses.call_each(function, argument)
        self._each = (function, argument) if function else None

    def _step(self, decision: Decision) -> Telemetry:
        if not self._begun:
            never = np.flatnonzero(self._seeds < 0).tolist()
            raise RuntimeError(f"SimBackend.step before reset: environments {never} have never been reset")
        if self.check:
            decision.validate(self.cluster, self.num_envs)
        if self._delays:
            decision = self._delayed(decision)
        if self._keeps_log:
            self._log_room()
        self._addresses.decide(decision)
        if self._kernel():
            self._go_on()
        return self._telemetry

    def close(self) -> None:
        """Nothing to release."""

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "a SimBackend holds arrays that its telemetry views; copy it with snapshot(), or make a new one"
        )

    # --- search and reference policies ----------------------------------------------------------------------------

    def snapshot(self) -> Snapshot:
        """A copy of the state of all environments."""
        b = self._buffers
        arrays = (self._m, self._cells, self._plan, b.hist, self._log, *b.out)
        return Snapshot(tuple(a.copy() for a in arrays), self._seeds.copy(), self._pending)

    def restore(self, snapshot: Snapshot) -> None:
        """Back to `snapshot`, taken from this backend or one of the same scenario and num_envs."""
        if snapshot.arrays[0].shape != self._m.shape:
            raise ValueError(f"snapshot of shape {snapshot.arrays[0].shape}; this backend has {self._m.shape}")
        self._m[:] = snapshot.arrays[0]
        self._cells, self._plan = snapshot.arrays[1].copy(), snapshot.arrays[2].copy()
        self._log = snapshot.arrays[4].copy()
        self._bind()
        b = self._buffers
        live: tuple[np.ndarray, ...] = (b.hist, *b.out)
        for array, saved in zip(live, (snapshot.arrays[3], *snapshot.arrays[5:]), strict=True):
            array[:] = saved
        self._seeds = snapshot.seeds.copy()
        self._look_who_began()
        self._pending = snapshot.pending

    def broadcast(self, row: int) -> None:
        """Give every environment the state, workload and random keys of environment `row`."""
        b = self._buffers
        rows: tuple[np.ndarray, ...] = (self._m, self._cells, self._plan, self._log, b.hist)
        for array in (*rows, b.queue, b.shares, b.present, b.gpu_busy, b.cpu, b.age):
            array[:] = array[row]
        blocks: tuple[np.ndarray, ...] = (b.counts, b.settings, b.flags, b.cameras, b.links, b.times)
        for block in blocks:
            block[:] = block[:, row : row + 1]
        self._seeds[:] = self._seeds[row]
        self._look_who_began()
        self._plans = [self._plans[row]] * self.num_envs

    def requests(self, env: int = 0) -> np.ndarray:
        """Finished requests since the reset, as a structured array: instance, key, birth_ns, arrival_ns, end_ns, fate
        (0 completed, 1 dropped from a full queue, 2 dropped late, 3 lost, 4 dropped from the send queue)."""
        names = ("instance", "key", "birth_ns", "arrival_ns", "end_ns", "fate")
        rows = self._log[env, : self._m[env, layout.LOG_N] * layout.LOG].reshape(-1, layout.LOG)
        return np.array([tuple(row) for row in rows.tolist()], dtype=[(n, np.int64) for n in names])

    # --- inside -----------------------------------------------------------------------------------------------------

    def _bind(self) -> None:
        """To be called after every replacement of one of these arrays."""
        state = self._m, self._cells, self._tables.tab, self._plan, self._buffers.hist, self._log
        self._addresses.bind(*state)

    def _look_who_began(self) -> None:
        """To be called after every change of the seeds."""
        self._begun = bool((self._seeds >= 0).all())

    def _prepared(self) -> Callable[[], int]:
        """The kernel for these environments: advances them and returns how many need something first."""
        at, count, threads = self._addresses.at, self.num_envs, min(self.threads, self.num_envs)
        if threads > 1 and count * self.cluster.S >= PARALLEL_FROM:
            return lambda: run_parts(entry.step.call, at, count, threads)
        return entry.step.bound(at, 0, count)

    def _go_on(self) -> None:
        """Until no environment needs anything."""
        with self._addresses.going_on():
            left = True
            while left:
                self._resolve()
                left = bool(self._kernel())

    def _resolve(self) -> None:
        """Make room, or raise, for what stopped the kernel."""
        if (self._todo == layout.TRACE_ENDED).any():
            e = int(np.flatnonzero(self._todo == layout.TRACE_ENDED)[0])
            second = self._m[e, layout.TIME] / 1e9
            raise TraceError(
                self.scenario.name, 0, f'a trace ended near second {second:g} and the scenario says end = "error"'
            )
        if (self._todo == layout.CLOCK_ENDED).any():
            days = int(self._tables.tab[0, layout.NEVER]) / 86_400e9
            raise RuntimeError(
                f"{self.scenario.name}: an episode has lasted {days:.1f} days of the cluster's time; allowed: less, "
                "with as many devices (octogym.sim.timers); reset() begins another"
            )
        if (self._todo == layout.NEED_CELLS).any():
            self._grow_cells(self._cells.shape[1] // layout.CELL, np.zeros(self.num_envs, bool))
        if (self._todo == layout.NEED_LOG).any():
            self._grow_log()

    def _grow_cells(self, more: int, unset: np.ndarray) -> None:
        """Every pool gets `more` cells; environments in `unset` are about to be set up and build their list then."""
        old = self._cells.shape[1] // layout.CELL
        self._cells = np.concatenate([self._cells, np.zeros((self.num_envs, more * layout.CELL), np.int64)], 1)
        self._bind()
        for e in np.flatnonzero(~unset):
            if self._seeds[e] >= 0:
                entry.add_cells.call(self._addresses.at, int(e), old, old + more)

    def _log_room(self) -> None:
        """An absent device may end everything in flight at once."""
        live = self._cells.shape[1] // layout.CELL
        while (int(self._m[:, layout.LOG_N].max()) + 2 * live) * layout.LOG > self._log.shape[1]:
            self._grow_log()

    def _grow_log(self) -> None:
        self._log = np.concatenate([self._log, np.zeros_like(self._log)], 1)
        self._bind()
        self._m[:, layout.LOG_ROOM] = self._log.shape[1] // layout.LOG

    def _burst(self) -> int:
        factor = max((int(c.factor_milli.max()) for p in self._plans if p is not None for c in p.cameras), default=1000)
        t = self._tables
        objects = t.max_count * max(factor, 1000) // 1000 + len(self.cluster.classes)
        return 2 * (objects * t.fan_out + t.fan_out + self.cluster.R) + 2 * t.queue_room + 256

    def _pack_plans(self, which: np.ndarray) -> None:
        sizes = np.max([plan_sizes(p) for p in self._plans if p is not None], 0)
        have = self._plan[0, : layout.PLAN_ABSENT_K + 1]
        if (sizes > have).any():
            sizes = np.maximum(sizes, have)
            which = np.array([p is not None for p in self._plans])
            width = len(pack_plan(self._plans[int(np.flatnonzero(which)[0])], *sizes))
            self._plan = np.zeros((self.num_envs, width), np.int64)
            self._bind()
        else:
            sizes = have
        for e in np.flatnonzero(which):
            self._plan[e] = pack_plan(self._plans[e], *(int(x) for x in sizes))

    def _next_seeds(self, seed: int | Sequence[int] | None) -> np.ndarray:
        if seed is None:
            fresh = np.arange(self.num_envs)
            return np.where(self._seeds < 0, fresh, self._seeds + self.num_envs)
        seeds = np.asarray(seed, np.int64)
        seeds = seeds + np.arange(self.num_envs) if seeds.ndim == 0 else seeds
        if seeds.shape != (self.num_envs,) or (seeds < 0).any():
            raise ValueError(f"seed = {seed!r}; allowed: an integer >= 0, or {self.num_envs} of them")
        return seeds

    def _delayed(self, decision: Decision) -> Decision:
        """The decision of the step before; the first one changes nothing."""
        if self.scenario.options.delay_steps != 1:
            raise ValueError(f"options.delay_steps = {self.scenario.options.delay_steps}; allowed: 0, 1")
        before = self._pending or Decision.keep(self.cluster, self.num_envs)
        self._pending = decision.copy()
        return before
