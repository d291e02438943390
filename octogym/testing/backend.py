"""Checks of a backend."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields

import numpy as np

from octogym.cluster.backend import Backend
from octogym.cluster.settings import KEEP
from octogym.cluster.telemetry import BY_HOST, COUNTERS, LEAVING, RESULTS, Telemetry
from octogym.cluster.telemetry_layout import layout
from octogym.testing import rules
from octogym.testing.decisions import random_decision
from octogym.testing.digest import Digest, difference
from octogym.testing.process import in_another_process
from octogym.testing.rules import require

#: Makes a new backend with so many environments.
MakeBackend = Callable[[int], Backend]
_BATCH = 64


def check_backend(make_backend: MakeBackend, seed: int = 0, steps: int = 20, other_process: bool = True) -> None:
    """Hold a backend against the rules `rules.BACKEND_*`, under random decisions.

    Args:
        make_backend: called with the number of environments.
        seed: first of the seeds used.
        steps: windows per episode.
        other_process: compare with a fresh Python process, too (a second or two).

    Raises:
        BrokenRule: naming the rule and what was found.
    """
    check_start_and_steps(make_backend, seed, steps)
    check_determinism(make_backend, seed, steps)
    if other_process:
        check_other_process(make_backend, seed, steps)
    check_alone(make_backend, seed, steps)
    check_mask(make_backend, seed, steps)
    check_accounting(make_backend, seed, steps)
    check_settings(make_backend, seed, steps)
    check_snapshot(make_backend, seed, steps)


def check_start_and_steps(make_backend: MakeBackend, seed: int = 0, steps: int = 20) -> None:
    """Attributes, arrays, the state at time 0 and the length of a window."""
    backend = make_backend(2)
    require(isinstance(backend, Backend), rules.BACKEND_API, f"{type(backend).__name__} lacks some of it")
    cluster = backend.cluster
    require(backend.scenario.cluster is cluster, rules.BACKEND_API, "cluster is not the scenario's")
    require(backend.num_envs == 2, rules.BACKEND_API, f"num_envs is {backend.num_envs} after make_backend(2)")
    wanted = layout(cluster, 2)
    for k, t in enumerate(_episode(backend, seed, steps)):
        for name, (shape, kind) in wanted.items():
            array = getattr(t, name)
            found = f"step {k}, {name}: {array.dtype} {array.shape}, documented {kind} {shape}"
            require(array.shape == shape and array.dtype == kind, rules.BACKEND_ARRAYS, found)
        require((t.t_ns == k * cluster.period_ns).all(), rules.BACKEND_PERIOD, f"t_ns after {k} steps: {t.t_ns}")
        if k:
            require(
                (t.window_ns == cluster.period_ns).all(), rules.BACKEND_PERIOD, f"step {k}: window_ns {t.window_ns}"
            )
            continue
        for name in (*COUNTERS, *("total_" + n for n in COUNTERS), *RESULTS, "in_stage", "in_flight", "latency_hist"):
            require(not getattr(t, name).any(), rules.BACKEND_START, f"{name} is not 0")
        for s, instance in enumerate(cluster.instances):
            for name in ("pack", "batch", "pre", "post", "timeout_ns"):
                shown, initial = getattr(t, name)[:, s], getattr(instance.initial, name)
                require(
                    (shown == initial).all(), rules.BACKEND_START, f"{name} of {instance.id}: {shown}, not {initial}"
                )
    backend.close()


def check_determinism(make_backend: MakeBackend, seed: int = 0, steps: int = 20) -> None:
    """Two backends agree bit by bit, the second with an episode of another seed before."""
    first, second = make_backend(2), make_backend(2)
    for _ in _episode(second, seed + 1, 3):
        pass
    for k, (one, two) in enumerate(zip(_play(first, seed, steps), _play(second, seed, steps), strict=True)):
        found = difference(one, two)
        require(found is None, rules.BACKEND_DETERMINISM, f"state {k}, {found}")
    first.close()
    second.close()


def check_other_process(make_backend: MakeBackend, seed: int = 0, steps: int = 20) -> None:
    """A fresh process gives the same bytes."""
    here = _fingerprint(make_backend, seed, steps)
    there = in_another_process(_fingerprint, make_backend, seed, steps)
    require(here == there, rules.BACKEND_PROCESS, f"SHA-256 {here[:16]}... here, {there[:16]}... there")


def check_alone(make_backend: MakeBackend, seed: int = 0, steps: int = 20) -> None:
    """Rows of a batch of 64 against environments alone."""
    batch = make_backend(_BATCH)
    alone = {e: make_backend(1) for e in (0, 1, _BATCH - 1)}
    plays = {e: _episode(backend, seed + e, steps) for e, backend in alone.items()}
    for k, t in enumerate(_episode(batch, seed, steps)):
        for e, play in plays.items():
            found = difference(_row(t, e), _row(next(play), 0))
            require(found is None, rules.BACKEND_ALONE, f"environment {e}, state {k}: {found}")
    for backend in (batch, *alone.values()):
        backend.close()


def check_mask(make_backend: MakeBackend, seed: int = 0, steps: int = 20) -> None:
    """One of three environments begins anew in the middle."""
    backend, undisturbed, fresh = make_backend(3), make_backend(3), make_backend(3)
    begin = max(2, steps // 2)
    going_on = _episode(undisturbed, seed, steps)
    for _ in _episode(backend, seed, begin):
        other = next(going_on)
    mask = np.array([False, True, False])
    t = backend.reset(seed + 5, mask)
    anew = fresh.reset(seed + 5)
    for k in range(begin, steps):
        for e in (0, 2):
            found = difference(_row(t, e), _row(other, e))
            require(found is None, rules.BACKEND_MASK, f"environment {e} was not marked, state {k}: {found}")
        found = difference(_row(t, 1), _row(anew, 1))
        require(found is None, rules.BACKEND_MASK, f"environment 1 was marked, state {k}: {found}")
        decision = random_decision(backend.cluster, seed + np.arange(3), k)
        t, other, anew = backend.step(decision.copy()), next(going_on), fresh.step(decision.copy())
    for made in (backend, undisturbed, fresh):
        made.close()


def check_accounting(make_backend: MakeBackend, seed: int = 0, steps: int = 20) -> None:
    """Nothing appears, vanishes or is counted twice."""
    backend = make_backend(3)
    cluster = backend.cluster
    device = np.array([instance.device for instance in cluster.instances])
    held, totals = np.zeros((3, cluster.S), np.int64), {}
    for k, t in enumerate(_play(backend, seed, steps)):
        if not t.t_ns.any():
            held, totals = t.in_stage.copy(), {name: getattr(t, "total_" + name) * 0 for name in (*COUNTERS, *RESULTS)}
            continue
        left, right = t.arrived + held, sum(getattr(t, name) for name in LEAVING) + t.in_stage
        _equal(left, right, rules.BACKEND_ACCOUNTING, k, [i.id for i in cluster.instances])
        held = t.in_stage.copy()
        fates = t.total_on_time_results + t.total_late + t.total_dropped + t.total_missed + t.total_lost_results
        _equal(t.total_generated, fates + t.in_flight, rules.BACKEND_RESULTS, k, [c.id for c in cluster.cameras])
        for name, total in totals.items():
            total += getattr(t, name)
            require((getattr(t, name) >= 0).all(), rules.BACKEND_TOTALS, f"step {k}: {name} is negative")
            same = (total == getattr(t, "total_" + name)).all()
            require(same, rules.BACKEND_TOTALS, f"step {k}: total_{name} is not the sum of its windows")
        away = t.present[:, device] == 0
        still = [name for name in ("completed", "executed", "in_stage") if getattr(t, name)[away].any()]
        require(not still, rules.BACKEND_ABSENT, f"step {k}: {still} of an absent device")
    backend.close()


def check_settings(make_backend: MakeBackend, seed: int = 0, steps: int = 20) -> None:
    """Settings that were asked for are in force, -1 keeps, and the decision stays the caller's."""
    backend = make_backend(2)
    cluster = backend.cluster
    before = backend.reset(seed).copy()
    returned = backend.reset(seed)
    arrays: dict[str, np.ndarray] = {}
    for k in range(steps):
        decision = random_decision(cluster, seed + np.arange(2), k)
        given = decision.copy()
        t = backend.step(decision)
        replaced = [name for name, array in arrays.items() if t is returned and getattr(t, name) is not array]
        require(not replaced, rules.BACKEND_KEEPS_ARRAYS, f"step {k}: {replaced}")
        returned, arrays = t, {field.name: getattr(t, field.name) for field in fields(Telemetry)}
        found = difference(decision, given)
        require(found is None, rules.BACKEND_DECISION, f"step {k}: {found}")
        # With a delay of one step it is the decision before that counts; that is checked by its effect only.
        if not backend.scenario.options.delay_steps:
            for name in ("pack", "batch", "timeout_ns"):
                asked, shown = getattr(given, name), getattr(t, name)
                wanted = np.where(asked == KEEP, getattr(before, name), asked)
                ours = (t.set_by == BY_HOST) & (t.valid != 0)
                wrong = np.argwhere(ours & (shown != wanted))
                where = "" if not len(wrong) else f"{cluster.instances[wrong[0][1]].id}: {shown[tuple(wrong[0])]}"
                require(not len(wrong), rules.BACKEND_SETTINGS, f"step {k}: {name} of {where}")
        before = t.copy()
    backend.close()


def check_snapshot(make_backend: MakeBackend, seed: int = 0, steps: int = 20) -> None:
    """Where a backend has `snapshot` and `restore`, they go back in time."""
    backend = make_backend(2)
    if not (hasattr(backend, "snapshot") and hasattr(backend, "restore")):
        backend.close()
        return
    for _ in _episode(backend, seed, steps):
        pass
    saved = backend.snapshot()
    seeds = seed + np.arange(2)
    decisions = [random_decision(backend.cluster, seeds, steps + k) for k in range(steps)]
    first = [backend.step(decision.copy()).copy() for decision in decisions]
    backend.restore(saved)
    for k, decision in enumerate(decisions):
        found = difference(first[k], backend.step(decision.copy()))
        require(found is None, rules.BACKEND_SNAPSHOT, f"step {k} after restore: {found}")
    backend.close()


def _equal(left: np.ndarray, right: np.ndarray, rule: str, step: int, names: list[str]) -> None:
    wrong = np.argwhere(left != right)
    if len(wrong):
        e, i = (int(x) for x in wrong[0])
        require(False, rule, f"step {step}, environment {e}, {names[i]}: {left[e, i]} and {right[e, i]}")


def _episode(backend: Backend, seed: int | None, steps: int, first_step: int = 0) -> Iterator[Telemetry]:
    """Copies of the telemetry after reset() and every step, under decisions of row e's own seed."""
    base = 0 if seed is None else seed
    yield backend.reset(seed).copy()
    for k in range(steps):
        decision = random_decision(backend.cluster, base + np.arange(backend.num_envs), first_step + k)
        yield backend.step(decision).copy()


def _play(backend: Backend, seed: int, steps: int) -> Iterator[Telemetry]:
    """Two episodes, the second going on from the first."""
    yield from _episode(backend, seed, steps)
    yield from _episode(backend, None, steps, steps)


def _row(t: Telemetry, e: int) -> dict[str, np.ndarray]:
    return {field.name: getattr(t, field.name)[e] for field in fields(Telemetry)}


def _fingerprint(make_backend: MakeBackend, seed: int, steps: int) -> str:
    backend, made = make_backend(2), Digest()
    for t in _play(backend, seed, steps):
        made.feed(t)
    backend.close()
    return made.hex()
