"""The two loops between an environment and its backend, compiled by `loops`: actions to settings, telemetry to
observations.

Plain functions over arrays that they know by address, E environments of S instances, serial: they take a few
microseconds where the backend takes hundreds. `observe` states in machine code what `RateMeter`, `FcpoReward` and
`Observer` of `octogym.cluster` state in NumPy; the tests hold them against each other.
"""

from __future__ import annotations

import numba

from octogym.cluster.compiled import DATA
from octogym.cluster.settings import KEEP
from octogym.envs import columns as k
from octogym.envs.addresses import AT
from octogym.envs.plain import ALIGNED, DIMENSIONS, DTYPE, FLAGS, ITEMS, ND, STRIDES, TYPE
from octogym.envs.pointers import (
    fetch,
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

_inner = numba.njit(error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)


def decide(at):
    """Write the settings that `actions` int64 [E, A, 3] ask for into a decision's arrays.

    `at`: address of a table of `addresses`, which shows `actions` and `columns`, each by the address of its object;
    `columns` int64 [A = `count`]: instance of each action. An index is accepted below the
    size of the agent's action space, and counts as the instance's own largest above that. Actions for instances of
    absent devices are ignored. Returns -1, or e * A + a of the first action that is not accepted.
    """
    return _decide(at, _content(at, AT.actions), _content(at, AT.columns), int64(at, AT.count))


@_inner
def _content(at, name):
    """Address of the content of an array that the table shows by its object."""
    return int64(int64(at, name) + DATA, 0)


def decide_each(at):
    """`decide` for one environment's actions as they are handed in: `arrays`, a tuple of an object for each instance.

    Their content becomes that of `flat`, an array int64 [3 S]. Returns as `decide`; -2, and nothing is decided, if one
    of them is not simply a NumPy array int64 [3].
    """
    flat, arrays, count = _content(at, AT.flat), int64(at, AT.arrays) + ITEMS, int64(at, AT.S)
    for a in range(count):
        array = int64(arrays, a)
        if int64(array + TYPE, 0) != int64(at, AT.array_type) or int64(array + DTYPE, 0) != int64(at, AT.int64_type):
            return -2
        if int32(array + ND, 0) != 1 or int64(int64(array + DIMENSIONS, 0), 0) != 3:
            return -2
        if int32(array + FLAGS, 0) & ALIGNED == 0:
            return -2
        data, stride = int64(array + DATA, 0), int64(int64(array + STRIDES, 0), 0)
        for h in range(3):
            put_int64(flat, 3 * a + h, int64(data + h * stride, 0))
    return _decide(at, flat, _content(at, AT.all), count)


@_inner
def _decide(at, actions, columns, count):
    """`actions`, `columns`: addresses of their content."""
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


def observe(at, which):
    """Turn one window's telemetry of environment `which`, or of all (-1), into observations, rewards and what infos
    show. Returns 0.

    `at`: address of a table of `addresses`, which shows arrays by the addresses of their objects: `todo` int8 [E],
    SKIP, STEP or RESET, and for the results `observation` float32 [E, S, 8], `reward` float32 [E, S], `values` float64
    [E, S + 1, VALUES].

    State, under their names in `addresses.OWN`: `here` (whose device is present), `clock` (windows since the reset),
    `ring` (cumulative arrivals), `average` (the rate last renewed), `last`
    (observations), `leaf_sum` (the episode's latencies), `leaf_span`, `reward_sum` (of the episode).
    """
    S, todo = int64(at, AT.S), _content(at, AT.todo)
    observation, reward, values = _content(at, AT.observation), _content(at, AT.reward), _content(at, AT.values)
    for e in range(max(0, which), int64(at, AT.E) if which < 0 else which + 1):
        what = int8(todo, e)
        if what == k.SKIP:
            continue
        if what == k.RESET:
            _forget(at, e)
        else:
            clock = int64(int64(at, AT.clock), e) + 1
            put_int64(int64(at, AT.clock), e, clock)
            _measure_rates(at, e, clock)
        for s in range(S):
            i = e * S + s
            row = values + 8 * k.VALUES * (i + e)
            _show(at, e, s, row)
            fresh, paid = float64(row, k.VALID) != 0.0, 0.0
            if fresh or what == k.RESET:
                _see(at, s, row, int64(at, AT.last) + 4 * k.OBSERVATION * i, i)
            for n in range(k.OBSERVATION):
                put_float32(observation, k.OBSERVATION * i + n, float32(int64(at, AT.last), k.OBSERVATION * i + n))
            if what == k.STEP:
                if fresh:
                    paid = _pay(at, e, row)
                _collect(at, e, s, float64(row, k.COMPLETED))
            put_float32(reward, i, paid)
            put_float64(int64(at, AT.reward_sum), e, float64(int64(at, AT.reward_sum), e) + paid)
        _show_cluster(at, e, values + 8 * k.VALUES * (e * (S + 1) + S))
    if 0 <= which < int64(at, AT.E) - 1:
        _fetch(at, which + 1, observation, values)
    return 0


@_inner
def _fetch(at, e, observation, values):
    """What environment e's observation will need that its window does not touch: there is a window's time for it."""
    E, S, K, B = int64(at, AT.E), int64(at, AT.S), int64(at, AT.K), int64(at, AT.B)
    clock = int64(int64(at, AT.clock), e) + 1
    fetch(int64(at, AT.ring) + 8 * S * ((clock - 1) % K * E + e), 8 * S)
    for n in range(int64(at, AT.M)):
        then = clock - int64(int64(at, AT.spans), n)
        fetch(int64(at, AT.ring) + 8 * S * (then % K * E + e), 8 * S)
    fetch(int64(at, AT.average) + 8 * e * S, 8 * S)
    fetch(int64(at, AT.last) + 4 * k.OBSERVATION * e * S, 4 * k.OBSERVATION * S)
    fetch(observation + 4 * k.OBSERVATION * e * S, 4 * k.OBSERVATION * S)
    fetch(values + 8 * k.VALUES * e * (S + 1), 8 * k.VALUES * (S + 1))
    for s in range(S):
        span = int64(at, AT.leaf_span) + 16 * (e * S + s)
        if int64(int64(at, AT.fixed), k.FIXED * s + k.IS_LEAF) != 0:
            fetch(int64(at, AT.leaf_sum) + 4 * (e * B + int64(span, 0)), 4 * (int64(span, 1) - int64(span, 0)))


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
def _measure_rates(at, e, clock):
    """Push the window's arrivals; renew the mean over the spans if it is time to."""
    E, S, K = int64(at, AT.E), int64(at, AT.S), int64(at, AT.K)
    ring, spans, average = int64(at, AT.ring), int64(at, AT.spans), int64(at, AT.average) + 8 * e * S
    now, before = ring + 8 * S * (clock % K * E + e), ring + 8 * S * ((clock - 1) % K * E + e)
    for s in range(S):
        put_int64(now, s, int64(before, s) + int64(int64(at, AT.t_arrived), e * S + s))
    if clock % int64(at, AT.refresh) != 0:
        return
    M = int64(at, AT.M)
    for s in range(S):
        put_float64(average, s, 0.0)
    for n in range(M):
        span = int64(spans, n)
        # Before the episode: a slot that nothing was written to.
        then, windows = ring + 8 * S * ((clock - span) % K * E + e), min(clock, span)
        for s in range(S):
            put_float64(average, s, float64(average, s) + (int64(now, s) - int64(then, s)) / windows)
    for s in range(S):
        put_float64(average, s, float64(average, s) / (M * float64(int64(at, AT.numbers), k.PERIOD_S)))


@_inner
def _show(at, e, s, row):
    """What an info shows of an instance."""
    i, numbers = e * int64(at, AT.S) + s, int64(at, AT.numbers)
    device, window_ns = int64(int64(at, AT.fixed), k.FIXED * s + k.DEVICE), int64(int64(at, AT.t_window_ns), e)
    here = int8(int64(at, AT.t_present), e * int64(at, AT.D) + device) != 0
    put_int8(int64(at, AT.here), i, here)
    put_float64(row, k.PRESENT, here)
    put_float64(row, k.VALID, here and int8(int64(at, AT.t_valid), i) != 0)
    put_float64(row, k.AGE_NS, int64(int64(at, AT.t_age_ns), i))
    put_float64(row, k.ARRIVED, int64(int64(at, AT.t_arrived), i))
    put_float64(row, k.EXECUTED, int64(int64(at, AT.t_executed), i))
    put_float64(row, k.COMPLETED, int64(int64(at, AT.t_completed), i))
    put_float64(row, k.ON_TIME, int64(int64(at, AT.t_on_time), i))
    put_float64(row, k.DROPPED_FULL, int64(int64(at, AT.t_dropped_full), i))
    put_float64(row, k.DROPPED_LATE, int64(int64(at, AT.t_dropped_late), i))
    put_float64(row, k.DROPPED_OUT, int64(int64(at, AT.t_dropped_out), i))
    put_float64(row, k.FAILED, int64(int64(at, AT.t_failed), i))
    put_float64(row, k.LOST, int64(int64(at, AT.t_lost), i))
    put_float64(row, k.IN_STAGE, int64(int64(at, AT.t_in_stage), i))
    put_float64(row, k.LATENCY_NS, int64(int64(at, AT.t_local_latency_ns), i))
    put_float64(row, k.TIMEOUT_NS, int64(int64(at, AT.t_timeout_ns), i))
    for q in range(5):
        put_float64(row, k.QUEUES + q, int32(int64(at, AT.t_queue), 5 * i + q))
    put_float64(row, k.PACK, int32(int64(at, AT.t_pack), i))
    put_float64(row, k.BATCH, int32(int64(at, AT.t_batch), i))
    put_float64(row, k.PRE, int32(int64(at, AT.t_pre), i))
    put_float64(row, k.POST, int32(int64(at, AT.t_post), i))
    put_float64(row, k.ACTIVE, int8(int64(at, AT.t_active), i))
    put_float64(row, k.SET_BY, int8(int64(at, AT.t_set_by), i))
    gross = float64(int64(at, AT.average), i)
    window_s = window_ns / 1e9 if window_ns > 0 else float64(numbers, k.PERIOD_S)
    net = max(gross - float64(row, k.DROPPED_LATE) / window_s, float64(numbers, k.LEAST_RATE))
    put_float64(row, k.RATE, gross)
    put_float64(row, k.NET_RATE, net if gross > 0.0 else 0.0)


@_inner
def _see(at, s, row, last, i):
    """FCPO's observation of instance s."""
    fixed = int64(at, AT.fixed) + 8 * k.FIXED * s
    size_pack, size_batch, size_threads = (
        int64(fixed, k.SIZE_PACK),
        int64(fixed, k.SIZE_BATCH),
        int64(fixed, k.SIZE_THREADS),
    )
    pre, post = int32(int64(at, AT.t_requested_pre), i), int32(int64(at, AT.t_requested_post), i)
    asked_pre = pre if pre > 0 else float64(row, k.PRE)
    asked_post = post if post > 0 else float64(row, k.POST)
    # Other policies may ask for more threads than an action can.
    threads = min(max(asked_pre, 1), 2) - 1 + 2 * (min(max(asked_post, 1), 2) - 1)
    put_float32(last, 0, min(float64(row, k.PACK) / size_pack, 1.0))
    put_float32(last, 1, min(float64(row, k.BATCH) / size_batch, 1.0))
    put_float32(last, 2, min(threads, size_threads - 1) / size_threads)
    put_float32(last, 3, min(float64(row, k.NET_RATE) / k.RATE_UNIT, k.RATE_CAP))
    put_float32(last, 4, min(float64(row, k.QUEUES) / k.QUEUE_UNIT, 1.0))
    put_float32(last, 5, min(float64(row, k.QUEUES + 1) / k.QUEUE_UNIT, 1.0))
    put_float32(last, 6, min(float64(row, k.QUEUES + 3) / k.QUEUE_UNIT, 1.0))
    put_float32(last, 7, min(int64(fixed, k.SLO_NS) / k.SLO_UNIT, k.SLO_CAP))


@_inner
def _pay(at, e, row):
    """FCPO's reward of an instance (Eq. 1)."""
    numbers, window_s = int64(at, AT.numbers), int64(int64(at, AT.t_window_ns), e) / 1e9
    net, batch = float64(row, k.NET_RATE), float64(row, k.BATCH)
    if net > 0.0:
        throughput = min((float64(row, k.EXECUTED) / window_s + 0.1) / net, float64(numbers, k.THROUGHPUT_CAP))
        latency_s = float64(row, k.LATENCY_NS) / 1e9
        served, oversize = float64(numbers, k.THETA) * throughput - float64(numbers, k.SIGMA) * latency_s, batch / net
    else:
        served, oversize = 0.0, batch / 10.0
    return min(max((served - float64(numbers, k.PHI) * oversize**2) / 2, -1.0), 1.0)


@_inner
def _collect(at, e, s, most):
    """Add the window's latencies of results that end here, at most `most`, to the episode's.

    They are alike from window to window: what lies in the span (first bin, last + 1; a hint that grows) is mostly all.
    """
    if most == 0.0 or int64(int64(at, AT.fixed), k.FIXED * s + k.IS_LEAF) == 0:
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
    put_float64(row, k.T_NS, int64(int64(at, AT.t_t_ns), e))
    put_float64(row, k.WINDOW_NS, int64(int64(at, AT.t_window_ns), e))
    put_float64(row, k.GENERATED, _over_cameras(at, e, int64(at, AT.t_generated)))
    put_float64(row, k.RESULTS_ON_TIME, _over_cameras(at, e, int64(at, AT.t_on_time_results)))
    put_float64(row, k.RESULTS_LATE, _over_cameras(at, e, int64(at, AT.t_late)))
    put_float64(row, k.RESULTS_DROPPED, _over_cameras(at, e, int64(at, AT.t_dropped)))
    put_float64(row, k.RESULTS_MISSED, _over_cameras(at, e, int64(at, AT.t_missed)))
    put_float64(row, k.RESULTS_LOST, _over_cameras(at, e, int64(at, AT.t_lost_results)))
    put_float64(row, k.IN_FLIGHT, _over_cameras(at, e, int64(at, AT.t_in_flight)))
    put_float64(row, k.OVERDUE, _over_cameras(at, e, int64(at, AT.t_overdue)))


@_inner
def _over_cameras(at, e, counts):
    total, C = 0, int64(at, AT.C)
    for c in range(C):
        total += int64(counts, e * C + c)
    return total
