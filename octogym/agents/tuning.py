"""Search for the best fixed settings and shares of a scenario, on its training traces."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from octogym.agents.candidates import (
    BATCH,
    FIELDS,
    LADDER,
    PACK,
    POST,
    PRE,
    Candidate,
    Outcome,
    cameras_served,
    common_batch,
    evaluate,
    initial,
)
from octogym.agents.sharing import Sharing, moved
from octogym.cluster.scenario import Scenario
from octogym.cluster.settings import THREAD_ACTIONS
from octogym.cluster.topology import Cluster

Progress = Callable[[int, str], None]
#: Parts kept and sent to servers that are tried for all sources alike; the neighbours get the rest.
PARTS = tuple((keep / 4, server / 4) for keep in (4, 3, 2, 1, 0) for server in (0, 1, 2) if keep + server <= 4)
#: Part of what a source sends elsewhere that is moved to one kind of target at a time.
PARTS_MOVED = (0.2, 0.6)
#: Batch sizes that shares are first tried with.
SHARED_AT = (2, 4)
#: Utilisations up to which devices are filled by shares that follow the mean load.
LEVELS = (0.3, 0.45, 0.55, 0.65, 0.75, 0.85, 0.95)


@dataclass(frozen=True)
class Budget:
    """What a search may spend: `seeds` of the training split, `horizon_s` seconds of each, `sweeps` over all groups."""

    seeds: tuple[int, ...] = (0, 1, 2, 3)
    horizon_s: float = 60.0
    sweeps: int = 2


#: Enough for the shipped scenarios; about a minute of simulation for the largest.
DEFAULT = Budget()


@dataclass(frozen=True)
class Tuned:
    """What a search found. `settings`: target `device-type/pipeline.model` -> field -> value. `shares`: source id ->
    target id -> thousandths, where a source has targets on several devices. `share`: on-time share of the generated
    results with them, `common_share` with the best single batch size everywhere, `common_batch`, on the searched
    seeds."""

    settings: dict[str, dict[str, int]]
    shares: dict[str, dict[str, int]]
    share: float
    common_share: float
    common_batch: int
    evaluations: int


def tune(scenario: Scenario, budget: Budget = DEFAULT, threads: int = 1, progress: Progress | None = None) -> Tuned:
    """The best fixed settings per stage and device type, and shares per source, for on-time results over all seeds.

    Coordinate descent from the best common batch size: for each group of instances (one stage on one type of device)
    batch, packing and threads in turn. Groups whose instances serve no camera in common are varied at the same time
    and judged by their own cameras, so that a sweep costs the depth of the pipelines rather than the number of groups.
    What is chosen so is kept only if it does better as a whole. A local search: a strong setting, not a proven best.

    Where sources have targets on several devices, shares are searched with it: first the same parts kept, sent to
    servers and spread over neighbours for all, or shares that even out the mean load of the training traces; then each
    source's own.

    Args:
        scenario: with training traces; its results are not to be ranked on the same ones.
        budget: seeds, length and sweeps.
        threads: CPU threads of the simulator.
        progress: called with (environment-windows simulated, what is being tried).
    """
    search = _Search(scenario, budget, threads, progress)
    best, share = search.common()
    common_share, common = share, int(best.settings[:, BATCH].max())
    best, share = search.shared(best, share)
    for sweep in range(budget.sweeps):
        before = share
        best, share = search.sweep(best, share, near=sweep > 0)
        best, share = search.sources(best, share)
        if share <= before:
            break
    settings = {
        search.names[g]: {field: int(best.settings[members[0], k]) for k, field in enumerate(FIELDS)}
        for g, members in enumerate(search.groups)
    }
    return Tuned(settings, search.sharing.table(best.shares), share, common_share, common, search.evaluations)


class _Search:
    def __init__(self, scenario: Scenario, budget: Budget, threads: int, progress: Progress | None) -> None:
        self.scenario, self.cluster, self.budget, self.threads = scenario, scenario.cluster, budget, threads
        self.progress = progress
        self.names, self.groups = stage_groups(scenario.cluster)
        served = cameras_served(scenario.cluster)
        self.served = [served[members].any(0) for members in self.groups]
        self.sharing = Sharing(scenario)
        self.load = np.zeros(len(self.sharing.groups))
        self.evaluations = 0

    def run(self, candidates: Sequence[Candidate], what: str) -> Outcome:
        self.evaluations += len(candidates)

        def tell(windows: int) -> None:
            if self.progress is not None:
                self.progress(windows, what)

        return evaluate(self.scenario, candidates, self.budget.seeds, self.budget.horizon_s, self.threads, tell)

    def common(self) -> tuple[Candidate, float]:
        """The best single batch size everywhere."""
        base = initial(self.scenario)
        largest = max(i.max_batch for i in self.cluster.instances)
        trials = [common_batch(self.cluster, base, b) for b in LADDER if b <= largest]
        outcome = self.run(trials, "common batch")
        self.load = outcome.load
        return _better(trials, outcome.share(), base, -1.0)

    def shared(self, best: Candidate, share: float) -> tuple[Candidate, float]:
        """The best shares by one rule for all sources, each rule with every common batch size."""
        if not self.sharing.groups:
            return best, share
        rules = [self.sharing.divided(*parts) for parts in PARTS]
        rules += [self.sharing.balanced(self.load, level) for level in LEVELS]
        for batch in SHARED_AT:
            settings = common_batch(self.cluster, best, batch).settings
            trials = [Candidate(settings, shares) for shares in rules]
            best, share = _better(trials, self.run(trials, f"shares at batch {batch}").share(), best, share)
        return best, share

    def sources(self, best: Candidate, share: float) -> tuple[Candidate, float]:
        """One pass over the sources: part of each one's requests moved to its own device, to servers, to neighbours."""
        for group in self.sharing.groups:
            near = ~group.local & ~group.server
            trials = []
            for to in (group.local, group.server, near):
                for part in PARTS_MOVED if to.any() else ():
                    shares = best.shares.copy()
                    shares[group.routes] = moved(group, shares[group.routes], to, part)
                    trials.append(Candidate(best.settings, shares))
            what = f"shares of {self.cluster.instances[group.source].id}"
            best, share = _better(trials, self.run(trials, what).share(), best, share)
        return best, share

    def sweep(self, best: Candidate, share: float, near: bool) -> tuple[Candidate, float]:
        """One pass over all groups and fields; `near`: only values beside those in hand."""
        for together in apart(self.served):
            for field in ("batch", "pack", "threads"):
                best, share = self._vary(best, share, together, field, near)
        return best, share

    def _vary(
        self, best: Candidate, share: float, together: Sequence[int], field: str, near: bool
    ) -> tuple[Candidate, float]:
        options = {g: list(self._options(g, field, best.settings[self.groups[g][0]], near)) for g in together}
        rows = max(map(len, options.values()))
        if rows < 2:
            return best, share
        trials = []
        for row in range(rows):
            trial = best.copy()
            for g, values in options.items():
                trial.settings[self.groups[g]] = values[min(row, len(values) - 1)]
            trials.append(trial)
        outcome = self.run(trials, f"{field} of {', '.join(self.names[g] for g in together)}")
        joined = best.copy()
        for g in together:
            own = outcome.on_time[:, :, self.served[g]].sum((1, 2))
            joined.settings[self.groups[g]] = trials[int(np.argmax(own))].settings[self.groups[g]]
        shares = outcome.share()
        if not any(joined.same(trial) for trial in trials):
            trials.append(joined)
            shares = np.append(shares, self.run([joined], "what was best for each").share())
        return _better(trials, shares, best, share)

    def _options(self, g: int, field: str, now: np.ndarray, near: bool) -> Iterator[np.ndarray]:
        """Rows int32 [4] for a group that has `now`, which comes first."""
        yield now
        members = [self.cluster.instances[s] for s in self.groups[g]]
        if field == "batch":
            largest = min(i.max_batch for i in members)
            ladder = _beside(int(now[BATCH]), largest) if near else [b for b in LADDER if b <= largest]
            values = [(BATCH, b) for b in ladder]
        elif field == "pack":
            values = [(PACK, p) for p in range(1, min(i.max_pack for i in members) + 1)]
        else:
            values = []
            for pre, post in THREAD_ACTIONS[: min(i.thread_actions for i in members)]:
                if (pre, post) != (now[PRE], now[POST]):
                    row = now.copy()
                    row[PRE], row[POST] = pre, post
                    yield row
        for k, value in values:
            if value != now[k]:
                row = now.copy()
                row[k] = value
                yield row


def _better(trials: Sequence[Candidate], shares: np.ndarray, best: Candidate, share: float) -> tuple[Candidate, float]:
    """The first best of the trials if it beats what is in hand."""
    top = int(np.argmax(shares))
    return (trials[top], float(shares[top])) if shares[top] > share else (best, share)


def _beside(batch: int, largest: int) -> list[int]:
    """Batch sizes next to one, a little further off for large ones."""
    step = max(1, batch // 6)
    return [b for b in (batch - 2 * step, batch - step, batch + step, batch + 2 * step) if 1 <= b <= largest]


def stage_groups(cluster: Cluster) -> tuple[list[str], list[np.ndarray]]:
    """Instances by stage and device type: names `device-type/pipeline.model` and index arrays, in the order of
    instances."""
    groups: dict[str, list[int]] = {}
    for s, instance in enumerate(cluster.instances):
        name = f"{cluster.devices[instance.device].type.name}/{cluster.stages[instance.stage].name}"
        groups.setdefault(name, []).append(s)
    return list(groups), [np.array(members) for members in groups.values()]


def apart(served: Sequence[np.ndarray]) -> list[list[int]]:
    """Sets of groups that serve no camera in common; every group in one set. `served`: per group bool [C]."""
    sets: list[tuple[np.ndarray, list[int]]] = []
    for g, cameras in enumerate(served):
        for taken, members in sets:
            if not (taken & cameras).any():
                taken |= cameras
                members.append(g)
                break
        else:
            sets.append((cameras.copy(), [g]))
    return [members for _, members in sets]
