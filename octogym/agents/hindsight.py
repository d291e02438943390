"""Best in hindsight: a reference that knows the future, window by window."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from octogym.agents.candidates import (
    BATCH,
    LADDER,
    PACK,
    POST,
    PRE,
    Candidate,
    cameras_served,
    common_batch,
    decide,
    initial,
)
from octogym.agents.errors import PolicyError
from octogym.agents.settings_table import fixed_decision, read_settings
from octogym.agents.share_table import fixed_shares, read_shares
from octogym.agents.sharing import Sharing, moved
from octogym.agents.stateless import StatelessPolicy
from octogym.cluster import draws
from octogym.cluster.backend import View
from octogym.cluster.decision import Decision
from octogym.cluster.rate import RateMeter
from octogym.cluster.registry import make_backend
from octogym.cluster.settings import KEEP_SHARE, THREAD_ACTIONS
from octogym.cluster.topology import Cluster

#: Seconds' worth of arrivals that the rate rules of the first round put into a batch.
FILL_S = (0.005, 0.01, 0.02, 0.03, 0.045, 0.06, 0.09, 0.12)
#: Utilisations up to which devices are filled by shares that follow the load of the block.
LEVELS = (0.5, 0.65, 0.75, 0.85, 0.92, 1.0)


@dataclass(frozen=True)
class Effort:
    """`block` windows are decided at a time, judged over these and `look` more; `rounds` of `rows` candidates each;
    `threads` of the simulator."""

    block: int = 5
    look: int = 3
    rounds: int = 3
    rows: int = 24
    threads: int = 1


class HindsightPolicy(StatelessPolicy):
    """Tries candidate settings and shares on the true future of each block of windows and plays the best.

    At the start of a block the state of the simulator is copied into `rows` environments. The first round tries what
    was best before, every common batch size, rate rules, and tuned settings if given; later rounds recombine (each
    instance takes the settings, and each source the shares, of the row in which the cameras it serves did best) and
    vary the winner. The row with the most on-time results over block and lookahead is played. Same settings as an
    agent's: packing, batch, threads. Where sources have targets on several devices, rounds also try shares that even
    out the load that the block will bring, beside the winner's settings and beside others, and vary shares source by
    source.

    A strong reference, not a bound: candidates are few, and a block is chosen without regard for what comes after the
    lookahead.

    Args:
        argument: `block=5,look=3,rounds=3,rows=24,threads=1,start=FILE`, each optional; FILE holds tuned settings.

    Raises:
        PolicyError: an argument that cannot be read; a backend that is not the simulator; a run that does not go as the
            search foresaw (another policy decides, too, or the reset had options).
    """

    def __init__(self, argument: str | None = None) -> None:
        self.effort, self._start = _parse(argument or "")
        self._searches: list[_Search] = []

    def reset(self, cluster: Cluster, num_envs: int, seed: int) -> None:
        self._seed, self._num_envs, self._searches = seed, num_envs, []
        self._next: list[Candidate] = []
        self._meter = RateMeter(num_envs, cluster.S, cluster.period_ns)

    def act(self, view: View) -> Decision:
        if view.step == 0:
            self._searches = [self._search(view, e) for e in range(self._num_envs)]
            rate = np.zeros((self._num_envs, view.cluster.S))
        else:
            rate = self._meter.push(view.telemetry.arrived)
        if view.step % self.effort.block == 0:
            self._next = [search.block(view, e, rate[e]) for e, search in enumerate(self._searches)]
        decision = Decision.keep(view.cluster, self._num_envs)
        decide(decision, self._next, view.cluster)
        return decision

    def _search(self, view: View, e: int) -> _Search:
        scenario = getattr(view.backend, "scenario", None)
        if scenario is None or not hasattr(view.backend, "snapshot"):
            raise PolicyError("policy best-in-hindsight needs the simulator (a backend with snapshot and restore)")
        start = [initial(scenario)]
        if self._start:
            table = fixed_decision(read_settings(self._start), view.cluster, 1)
            tuned = np.stack([table.pack[0], table.batch[0], table.pre[0], table.post[0]], 1)
            shares = fixed_shares(read_shares(self._start), view.cluster)
            shares = np.where(shares == KEEP_SHARE, start[0].shares, shares)
            start.insert(0, Candidate(np.where(tuned > 0, tuned, start[0].settings), shares))
        return _Search(scenario, self._seed + e, self.effort, start)


def _parse(argument: str) -> tuple[Effort, str]:
    allowed = {field.name for field in fields(Effort)}
    values: dict[str, Any] = {}
    start = ""
    for item in filter(None, (part.strip() for part in argument.split(","))):
        key, _, text = item.partition("=")
        if key == "start" and text:
            start = text
        elif key in allowed and text.isdigit() and (int(text) > 0 or key == "look"):
            values[key] = int(text)
        else:
            names = ", ".join([*sorted(allowed), "start"])
            raise PolicyError(f"policy best-in-hindsight: {item!r}: expected KEY=NUMBER or start=FILE, keys {names}")
    return Effort(**values), start


class _Search:
    """The search for one environment, in a batch of its own that stays in step with the run."""

    def __init__(self, scenario: Any, seed: int, effort: Effort, start: list[Candidate]) -> None:
        self.scenario, self.cluster, self.effort, self.seed = scenario, scenario.cluster, effort, seed
        self.start, self.sharing = start, Sharing(scenario)
        self.backend: Any = make_backend("sim", scenario, num_envs=effort.rows, threads=effort.threads)
        self.telemetry = self.backend.reset([seed] * effort.rows)
        self.served = cameras_served(self.cluster)
        self.decision = Decision.keep(self.cluster, effort.rows)
        self.best = start[0]

    def block(self, view: View, e: int, rate: np.ndarray) -> Candidate:
        """What to hold in the block that starts now; leaves the batch at the block's end."""
        self._check(view, e)
        effort = self.effort
        left = max(self.scenario.horizon_s * 1_000_000_000 // self.cluster.period_ns - view.step, 1)
        block, look = min(effort.block, left), min(effort.look, max(left - effort.block, 0))
        begin = self.backend.snapshot()
        rows = self._first(rate)
        found, most, end, row = self.best, -1, begin, 0
        for round_ in range(effort.rounds):
            if round_:
                self.backend.restore(begin)
            results, halfway, load = self._try(rows, block, look)
            total = results.sum(1)
            if total.max() > most:
                row, most, end = int(np.argmax(total)), int(total.max()), halfway
                found = rows[row]
            draw = draws.generator(self.seed, draws.POLICY, view.step, round_)
            rows = self._vary(rows, results, found, load, draw)
        self.backend.restore(end)
        self.backend.broadcast(row)
        self.best = found
        return found

    def _check(self, view: View, e: int) -> None:
        """The batch must be where the run is."""
        for name in ("total_arrived", "total_completed", "total_on_time_results"):
            if not np.array_equal(getattr(self.telemetry, name)[0], getattr(view.telemetry, name)[e]):
                raise PolicyError(
                    f"policy best-in-hindsight: the run of seed {self.seed} is not what was foreseen at second "
                    f"{view.telemetry.t_ns[e] / 1e9:g}; it must decide alone, from a reset without options"
                )

    def _try(self, rows: list[Candidate], block: int, look: int) -> tuple[np.ndarray, Any, np.ndarray]:
        """On-time results int64 [rows, C] over block and lookahead, the state at the block's end, and the load [F] that
        the block brought."""
        decide(self.decision, rows, self.cluster)
        before, arrived = self.telemetry.total_on_time_results.copy(), self.telemetry.total_arrived.copy()
        objects = np.zeros(self.cluster.C)
        for _ in range(block):
            self.telemetry = self.backend.step(self.decision)
            objects += self.telemetry.objects[0]
        load = self.sharing.load(objects, self.telemetry.total_arrived[0] - arrived[0])
        halfway = self.backend.snapshot()
        for _ in range(look):
            self.telemetry = self.backend.step(self.decision)
        seconds = block * self.cluster.period_ns / 1e9
        return self.telemetry.total_on_time_results - before, halfway, load / seconds

    def _first(self, rate: np.ndarray) -> list[Candidate]:
        """The first round's rows, the most promising first."""
        limit = np.array([i.max_batch for i in self.cluster.instances])

        def candidates() -> Iterator[Candidate]:
            yield self.best
            yield from self.start
            for fill_s in FILL_S:
                rule = self.best.copy()
                rule.settings[:, BATCH] = np.clip(np.floor(rate * fill_s + 0.5), 1, limit)
                yield rule
            for batch in LADDER:
                if batch <= limit.max():
                    yield common_batch(self.cluster, self.best, batch)

        rows = list(candidates())[: self.effort.rows]
        return rows + [self.best] * (self.effort.rows - len(rows))

    def _vary(
        self, rows: list[Candidate], results: np.ndarray, best: Candidate, load: np.ndarray, draw: np.random.Generator
    ) -> list[Candidate]:
        """The next round's rows: the best of each instance's cameras joined, then variations of it and the winner."""
        joined = best.copy()
        for s, cameras in enumerate(self.served):
            own = results[:, cameras].sum(1)
            if own.max() > own.min():
                joined.settings[s] = rows[int(np.argmax(own))].settings[s]
        for group in self.sharing.groups:
            own = results[:, self.served[group.source]].sum(1)
            if own.max() > own.min():
                joined.shares[group.routes] = rows[int(np.argmax(own))].shares[group.routes]
        fresh = []
        for k in range(len(rows)):
            row = (joined if k % 2 == 0 else best).copy()
            if k > 0 and not (k % 2 and self._balances(k)):
                self._change(row.settings, draw.random(self.cluster.S) < 0.3, draw)
            if self.sharing.groups and k > 0:
                row = self._share(row, k, load, draw)
            fresh.append(row)
        return fresh

    def _balances(self, k: int) -> bool:
        """Whether row `k` of a later round is given shares for the load of the block."""
        return bool(self.sharing.groups) and 0 < k <= 2 * len(LEVELS)

    def _share(self, row: Candidate, k: int, load: np.ndarray, draw: np.random.Generator) -> Candidate:
        """Shares for the load of the block, or the row's own with some sources changed."""
        if self._balances(k):
            return Candidate(row.settings, self.sharing.balanced(load, LEVELS[(k - 1) // 2]))
        for group in self.sharing.groups:
            if draw.random() < 0.3:
                kinds = [to for to in (group.local, group.server, ~group.local & ~group.server) if to.any()]
                to = kinds[draw.integers(len(kinds))]
                row.shares[group.routes] = moved(group, row.shares[group.routes], to, draw.choice((0.15, 0.4, 1.0)))
        return row

    def _change(self, settings: np.ndarray, which: np.ndarray, draw: np.random.Generator) -> None:
        """Change one setting of each instance marked, batch twice as often as the others together."""
        for s in np.flatnonzero(which):
            instance, now = self.cluster.instances[s], settings[s]
            kind = draw.random()
            if kind < 0.66 or (instance.max_pack == 1 and kind < 0.85):
                factor = draw.choice((0.4, 0.66, 1.0, 1.5, 2.5))
                now[BATCH] = np.clip(round(now[BATCH] * factor) + draw.integers(-1, 2), 1, instance.max_batch)
            elif kind < 0.85:
                now[PACK] = draw.integers(1, instance.max_pack + 1)
            else:
                now[[PRE, POST]] = THREAD_ACTIONS[draw.integers(instance.thread_actions)]
