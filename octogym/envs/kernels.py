"""The two compiled loops between an environment and its backend: actions to settings, telemetry to observations.

Plain functions over arrays, E environments of S instances, serial: they take a few microseconds where the backend
takes hundreds. `observe` states in machine code what `octogym.cluster.rate.RateMeter` and
`octogym.cluster.reward.FcpoReward` state in NumPy; the tests hold them against each other.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numba

from octogym.cluster import settings
from octogym.cluster.settings import KEEP
from octogym.envs import addresses
from octogym.envs.addresses import (
    AT,
    float32,
    float64,
    int8,
    int32,
    int64,
    put_float32,
    put_float64,
    put_int8,
    put_int32,
    put_int64,
    put_uint32,
    uint32,
)

#: Values of one observation (specs: FCPO's state vector, in its order).
OBSERVATION = 8
#: Normalisation and bounds: requests/s, times that much at most; items in a queue; SLO in ns (100 ms).
RATE_UNIT, RATE_CAP = 250.0, 40.0
QUEUE_UNIT = 100.0
SLO_UNIT, SLO_CAP = 1e8, 100.0

# Columns of `fixed`, what never changes about an instance.
DEVICE, SIZE_PACK, SIZE_BATCH, SIZE_THREADS, SLO_NS, BUDGET_NS, IS_LEAF, FIXED = range(8)
# Columns of a frame's values: what an info shows of one instance and window (float64 holds whole numbers to 2^53).
(
    ARRIVED,
    EXECUTED,
    COMPLETED,
    ON_TIME,
    DROPPED_FULL,
    DROPPED_LATE,
    DROPPED_OUT,
    FAILED,
    LOST,
    IN_STAGE,
    LATENCY_NS,
    QUEUES,
) = range(12)
ACTIVE = QUEUES + 5
PACK, BATCH, PRE, POST, TIMEOUT_NS, SET_BY, PRESENT, VALID, AGE_NS = range(ACTIVE + 1, ACTIVE + 10)
RATE, NET_RATE, VALUES = range(ACTIVE + 10, ACTIVE + 13)
# The same of the last row, which stands for the whole cluster.
(
    T_NS,
    WINDOW_NS,
    GENERATED,
    RESULTS_ON_TIME,
    RESULTS_LATE,
    RESULTS_DROPPED,
    RESULTS_MISSED,
    RESULTS_LOST,
    IN_FLIGHT,
    OVERDUE,
    SUMS,
) = range(11)
# What becomes of an environment in one call of `observe`.
SKIP, STEP, RESET = 0, 1, 2
# Columns of `numbers`: weights and limits of the reward, length of a window in seconds.
THETA, SIGMA, PHI, LEAST_RATE, THROUGHPUT_CAP, PERIOD_S = range(6)

_inner = numba.njit(error_model="numpy", nogil=True)
_entry = numba.njit(cache=True, error_model="numpy", nogil=True)


@_inner
def _decide(at, actions, columns, count):
    """Write the settings that `actions` int64 [E, A, 3] ask for into a decision's arrays.

    `at`: a table of `addresses`; `columns` int64 [A = count]: instance of each action. An index is accepted below the
    size of the agent's action space, and counts as the instance's own largest above that. Actions for instances of
    absent devices are ignored. Returns -1, or e * A + a of the first action that is not accepted.
    """
    S = int64(at, AT.S)
    accepted, sizes, thread_actions = int64(at, AT.accepted), int64(at, AT.sizes), int64(at, AT.thread_actions)
    for e in range(int64(at, AT.E)):
        for a in range(count):
            s, action = int64(columns, a), (e * count + a) * 3
            i = e * S + s
            pack, batch = int64(actions, action), int64(actions, action + 1)
            threads, pre, post = int64(actions, action + 2), KEEP, KEEP
            if int8(int64(at, AT.here), i) != 0:
                for h in range(3):
                    if int64(actions, action + h) < 0 or int64(actions, action + h) >= int64(accepted, 3 * s + h):
                        return e * count + a
                pack = min(pack, int64(sizes, 3 * s) - 1) + 1
                batch = min(batch, int64(sizes, 3 * s + 1) - 1) + 1
                threads = min(threads, int64(sizes, 3 * s + 2) - 1)
                pre, post = int64(thread_actions, 2 * threads), int64(thread_actions, 2 * threads + 1)
            else:
                pack = batch = KEEP
            put_int32(int64(at, AT.set_pack), i, pack)
            put_int32(int64(at, AT.set_batch), i, batch)
            put_int32(int64(at, AT.set_pre), i, pre)
            put_int32(int64(at, AT.set_post), i, post)
    return -1


@_inner
def _observe(at, head, todo, observation, reward, values):
    """Turn one window's telemetry into observations, rewards and what infos show.

    `at`: a table of `addresses`; `head`: this window's slot of the ring; `todo` int8 [E]: SKIP, STEP or RESET. Results:
    `observation` float32 [E, S, 8], `reward` float32 [E, S], `values` float64 [E, S + 1, VALUES]. Returns how many
    environments reach the horizon.

    State, under their names in `addresses.OWN`: `here` (whose device is present), `clock` (windows since the reset),
    `ring` (cumulative arrivals), `average` (the rate last renewed), `last`
    (observations), `leaf_sum` (the episode's latencies), `leaf_span`, `reward_sum` (of the episode).
    """
    finished, S = 0, int64(at, AT.S)
    for e in range(int64(at, AT.E)):
        what = int8(todo, e)
        if what == SKIP:
            continue
        if what == RESET:
            _forget(at, e)
        else:
            clock = int64(int64(at, AT.clock), e) + 1
            put_int64(int64(at, AT.clock), e, clock)
            finished += clock >= int64(at, AT.horizon)
            _measure_rates(at, e, clock, head)
        for s in range(S):
            i = e * S + s
            row = values + 8 * VALUES * (i + e)
            _show(at, e, s, row)
            fresh, paid = float64(row, VALID) != 0.0, 0.0
            if fresh or what == RESET:
                _see(at, s, row, int64(at, AT.last) + 4 * OBSERVATION * i, i)
            for n in range(OBSERVATION):
                put_float32(observation, OBSERVATION * i + n, float32(int64(at, AT.last), OBSERVATION * i + n))
            if what == STEP:
                if fresh:
                    paid = _pay(at, e, row)
                _collect(at, e, s, float64(row, COMPLETED))
            put_float32(reward, i, paid)
            put_float64(int64(at, AT.reward_sum), e, float64(int64(at, AT.reward_sum), e) + paid)
        _show_cluster(at, e, values + 8 * VALUES * (e * (S + 1) + S))
    return finished


@_inner
def _forget(at, e):
    """The environment begins a new episode."""
    E, S, B = int64(at, AT.E), int64(at, AT.S), int64(at, AT.B)
    put_int64(int64(at, AT.clock), e, 0)
    put_float64(int64(at, AT.reward_sum), e, 0.0)
    for s in range(S):
        put_float64(int64(at, AT.average), e * S + s, 0.0)
        for n in range(int64(at, AT.K)):
            put_int64(int64(at, AT.ring), (n * E + e) * S + s, 0)
    for b in range(B):
        put_uint32(int64(at, AT.leaf_sum), e * B + b, 0)


@_inner
def _measure_rates(at, e, clock, head):
    """Push the window's arrivals; renew the mean over the spans if it is time to."""
    E, S, K = int64(at, AT.E), int64(at, AT.S), int64(at, AT.K)
    ring, spans, average = int64(at, AT.ring), int64(at, AT.spans), int64(at, AT.average) + 8 * e * S
    now, before = ring + 8 * S * (head * E + e), ring + 8 * S * ((head - 1) % K * E + e)
    for s in range(S):
        put_int64(now, s, int64(before, s) + int64(int64(at, AT.t_arrived), e * S + s))
    if clock % int64(at, AT.refresh) != 0:
        return
    M = int64(at, AT.M)
    for s in range(S):
        put_float64(average, s, 0.0)
    for n in range(M):
        span = int64(spans, n)
        then, windows = ring + 8 * S * ((head - span) % K * E + e), min(clock, span)
        for s in range(S):
            put_float64(average, s, float64(average, s) + (int64(now, s) - int64(then, s)) / windows)
    for s in range(S):
        put_float64(average, s, float64(average, s) / (M * float64(int64(at, AT.numbers), PERIOD_S)))


@_inner
def _show(at, e, s, row):
    """What an info shows of an instance."""
    i, numbers = e * int64(at, AT.S) + s, int64(at, AT.numbers)
    device, window_ns = int64(int64(at, AT.fixed), FIXED * s + DEVICE), int64(int64(at, AT.t_window_ns), e)
    here = int8(int64(at, AT.t_present), e * int64(at, AT.D) + device) != 0
    put_int8(int64(at, AT.here), i, here)
    put_float64(row, PRESENT, here)
    put_float64(row, VALID, here and int8(int64(at, AT.t_valid), i) != 0)
    put_float64(row, AGE_NS, int64(int64(at, AT.t_age_ns), i))
    put_float64(row, ARRIVED, int64(int64(at, AT.t_arrived), i))
    put_float64(row, EXECUTED, int64(int64(at, AT.t_executed), i))
    put_float64(row, COMPLETED, int64(int64(at, AT.t_completed), i))
    put_float64(row, ON_TIME, int64(int64(at, AT.t_on_time), i))
    put_float64(row, DROPPED_FULL, int64(int64(at, AT.t_dropped_full), i))
    put_float64(row, DROPPED_LATE, int64(int64(at, AT.t_dropped_late), i))
    put_float64(row, DROPPED_OUT, int64(int64(at, AT.t_dropped_out), i))
    put_float64(row, FAILED, int64(int64(at, AT.t_failed), i))
    put_float64(row, LOST, int64(int64(at, AT.t_lost), i))
    put_float64(row, IN_STAGE, int64(int64(at, AT.t_in_stage), i))
    put_float64(row, LATENCY_NS, int64(int64(at, AT.t_local_latency_ns), i))
    put_float64(row, TIMEOUT_NS, int64(int64(at, AT.t_timeout_ns), i))
    for q in range(5):
        put_float64(row, QUEUES + q, int32(int64(at, AT.t_queue), 5 * i + q))
    put_float64(row, PACK, int32(int64(at, AT.t_pack), i))
    put_float64(row, BATCH, int32(int64(at, AT.t_batch), i))
    put_float64(row, PRE, int32(int64(at, AT.t_pre), i))
    put_float64(row, POST, int32(int64(at, AT.t_post), i))
    put_float64(row, ACTIVE, int8(int64(at, AT.t_active), i))
    put_float64(row, SET_BY, int8(int64(at, AT.t_set_by), i))
    gross = float64(int64(at, AT.average), i)
    window_s = window_ns / 1e9 if window_ns > 0 else float64(numbers, PERIOD_S)
    net = max(gross - float64(row, DROPPED_LATE) / window_s, float64(numbers, LEAST_RATE))
    put_float64(row, RATE, gross)
    put_float64(row, NET_RATE, net if gross > 0.0 else 0.0)


@_inner
def _see(at, s, row, last, i):
    """FCPO's observation of instance s."""
    fixed = int64(at, AT.fixed) + 8 * FIXED * s
    size_pack, size_batch, size_threads = int64(fixed, SIZE_PACK), int64(fixed, SIZE_BATCH), int64(fixed, SIZE_THREADS)
    pre, post = int32(int64(at, AT.t_requested_pre), i), int32(int64(at, AT.t_requested_post), i)
    asked_pre = pre if pre > 0 else float64(row, PRE)
    asked_post = post if post > 0 else float64(row, POST)
    # Other policies may ask for more threads than an action can.
    threads = min(max(asked_pre, 1), 2) - 1 + 2 * (min(max(asked_post, 1), 2) - 1)
    put_float32(last, 0, min(float64(row, PACK) / size_pack, 1.0))
    put_float32(last, 1, min(float64(row, BATCH) / size_batch, 1.0))
    put_float32(last, 2, min(threads, size_threads - 1) / size_threads)
    put_float32(last, 3, min(float64(row, NET_RATE) / RATE_UNIT, RATE_CAP))
    put_float32(last, 4, min(float64(row, QUEUES) / QUEUE_UNIT, 1.0))
    put_float32(last, 5, min(float64(row, QUEUES + 1) / QUEUE_UNIT, 1.0))
    put_float32(last, 6, min(float64(row, QUEUES + 3) / QUEUE_UNIT, 1.0))
    put_float32(last, 7, min(int64(fixed, SLO_NS) / SLO_UNIT, SLO_CAP))


@_inner
def _pay(at, e, row):
    """FCPO's reward of an instance (Eq. 1)."""
    numbers, window_s = int64(at, AT.numbers), int64(int64(at, AT.t_window_ns), e) / 1e9
    net, batch = float64(row, NET_RATE), float64(row, BATCH)
    if net > 0.0:
        throughput = min((float64(row, EXECUTED) / window_s + 0.1) / net, float64(numbers, THROUGHPUT_CAP))
        latency_s = float64(row, LATENCY_NS) / 1e9
        served, oversize = float64(numbers, THETA) * throughput - float64(numbers, SIGMA) * latency_s, batch / net
    else:
        served, oversize = 0.0, batch / 10.0
    return min(max((served - float64(numbers, PHI) * oversize**2) / 2, -1.0), 1.0)


@_inner
def _collect(at, e, s, most):
    """Add the window's latencies of results that end here, at most `most`, to the episode's.

    They are alike from window to window: what lies in the span (first bin, last + 1; a hint that grows) is mostly all.
    """
    if most == 0.0 or int64(int64(at, AT.fixed), FIXED * s + IS_LEAF) == 0:
        return
    B = int64(at, AT.B)
    results = int64(at, AT.leaf_hist) + e * int64(at, AT.leaf_step_e) + s * int64(at, AT.leaf_step_s)
    total, span = int64(at, AT.leaf_sum) + 4 * e * B, int64(at, AT.leaf_span) + 16 * (e * int64(at, AT.S) + s)
    low, high, found = int64(span, 0), int64(span, 1), 0
    for b in range(low, high):
        put_uint32(total, b, uint32(total, b) + uint32(results, b))
        found += uint32(results, b)
    if found >= most:
        return
    for b in range(B):
        if (b < low or b >= high) and uint32(results, b) > 0:
            put_uint32(total, b, uint32(total, b) + uint32(results, b))
            put_int64(span, 0, min(int64(span, 0), b))
            put_int64(span, 1, max(int64(span, 1), b + 1))


@_inner
def _show_cluster(at, e, row):
    """What an info shows of the whole cluster."""
    put_float64(row, T_NS, int64(int64(at, AT.t_t_ns), e))
    put_float64(row, WINDOW_NS, int64(int64(at, AT.t_window_ns), e))
    put_float64(row, GENERATED, _over_cameras(at, e, int64(at, AT.t_generated)))
    put_float64(row, RESULTS_ON_TIME, _over_cameras(at, e, int64(at, AT.t_on_time_results)))
    put_float64(row, RESULTS_LATE, _over_cameras(at, e, int64(at, AT.t_late)))
    put_float64(row, RESULTS_DROPPED, _over_cameras(at, e, int64(at, AT.t_dropped)))
    put_float64(row, RESULTS_MISSED, _over_cameras(at, e, int64(at, AT.t_missed)))
    put_float64(row, RESULTS_LOST, _over_cameras(at, e, int64(at, AT.t_lost_results)))
    put_float64(row, IN_FLIGHT, _over_cameras(at, e, int64(at, AT.t_in_flight)))
    put_float64(row, OVERDUE, _over_cameras(at, e, int64(at, AT.t_overdue)))


@_inner
def _over_cameras(at, e, counts):
    total, C = 0, int64(at, AT.C)
    for c in range(C):
        total += int64(counts, e * C + c)
    return total


def _source_number() -> int:
    """Changes with anything that the compiled code is made of: Numba's cache looks at the entry points' file only."""
    digest = hashlib.sha256()
    for file in (Path(__file__), Path(addresses.__file__), Path(settings.__file__)):
        digest.update(file.read_bytes())
    return int.from_bytes(digest.digest()[:7], "big")


def _entry_points(source: int) -> tuple[Any, Any]:
    # A closure's variables are part of its key in the cache.
    @_entry
    def decide(where, actions, columns):
        table, chosen = where.ctypes.data, actions.ctypes.data
        return _decide(table, chosen, columns.ctypes.data, columns.shape[0]) + source * 0

    @_entry
    def observe(where, head, todo, observation, reward, values):
        results = observation.ctypes.data, reward.ctypes.data, values.ctypes.data
        return _observe(where.ctypes.data, head, todo.ctypes.data, *results) + source * 0

    return decide, observe


#: `_decide` and `_observe`, compiled on first use and cached on disk.
decide, observe = _entry_points(_source_number())
