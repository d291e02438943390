"""The two compiled loops between an environment and its backend: actions to settings, telemetry to observations.

Plain functions over arrays, E environments of S instances, serial: they take a few microseconds where the backend
takes hundreds. `observe` states in machine code what `octogym.cluster.rate.RateMeter` and
`octogym.cluster.reward.FcpoReward` state in NumPy; the tests hold them against each other.
"""

from __future__ import annotations

import numba

from octogym.cluster.settings import KEEP
from octogym.envs.addresses import AT, float32s, float64s, int8s, int32s, int64s, uint32s

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


@_entry
def decide(where, actions, columns):
    """Write the settings that `actions` int64 [E, A, 3] ask for into a decision's arrays.

    `where`: a table of `addresses`; `columns` int64 [A]: instance of each action. An index is accepted below the size
    of the agent's action space, and counts as the instance's own largest above that. Actions for instances of absent
    devices are ignored. Returns -1, or e * A + a of the first action that is not accepted.
    """
    E, S = where[AT.E], where[AT.S]
    accepted, sizes = int64s(where[AT.accepted], S, 3), int64s(where[AT.sizes], S, 3)
    thread_actions, here = int64s(where[AT.thread_actions], 4, 2), int8s(where[AT.here], E, S)
    pack, batch = int32s(where[AT.set_pack], E, S), int32s(where[AT.set_batch], E, S)
    pre, post = int32s(where[AT.set_pre], E, S), int32s(where[AT.set_post], E, S)
    for e in range(E):
        for a in range(columns.shape[0]):
            s = columns[a]
            if not here[e, s]:
                pack[e, s] = batch[e, s] = pre[e, s] = post[e, s] = KEEP
                continue
            for h in range(3):
                if actions[e, a, h] < 0 or actions[e, a, h] >= accepted[s, h]:
                    return e * columns.shape[0] + a
            threads = min(actions[e, a, 2], sizes[s, 2] - 1)
            pack[e, s] = min(actions[e, a, 0], sizes[s, 0] - 1) + 1
            batch[e, s] = min(actions[e, a, 1], sizes[s, 1] - 1) + 1
            pre[e, s] = thread_actions[threads, 0]
            post[e, s] = thread_actions[threads, 1]
    return -1


@_entry
def observe(where, todo, observation, reward, values):
    """Turn one window's telemetry into observations, rewards and what infos show.

    `where`: a table of `addresses`; `todo` int8 [E]: SKIP, STEP or RESET. Results: `observation` float32 [E, S, 8],
    `reward` float32 [E, S], `values` float64 [E, S + 1, VALUES]. Returns how many environments have reached the horizon.

    State, under their names in `addresses.OWN`: `here` (whose device is present), `clock` (windows since the reset),
    `ring` (cumulative arrivals; slot `head` is this window's), `average` (the rate last renewed), `last`
    (observations), `leaf_sum` (the episode's latencies), `leaf_span`, `reward_sum` (of the episode).
    """
    finished = 0
    ring_length, head = where[AT.K], where[AT.head]
    spans, slots = int64s(where[AT.spans], 1, where[AT.M])[0], int64s(where[AT.slots], 1, where[AT.M])[0]
    for n in range(where[AT.M]):
        slots[n] = (head - spans[n]) % ring_length
    for e in range(where[AT.E]):
        if todo[e] == SKIP:
            continue
        if todo[e] == RESET:
            _forget(where, e)
        clock = int64s(where[AT.clock], where[AT.E], 1)[e]
        if todo[e] == STEP:
            clock[0] += 1
            finished += clock[0] >= where[AT.horizon]
            _measure_rates(where, e, clock[0])
        for s in range(where[AT.S]):
            row = values[e, s]
            _show(where, e, s, row)
            fresh = row[VALID] != 0
            if fresh or todo[e] == RESET:
                _see(where, e, s, row)
            observation[e, s] = float32s(where[AT.last], where[AT.E] * where[AT.S], OBSERVATION)[e * where[AT.S] + s]
            reward[e, s] = _pay(where, e, s, row) if fresh and todo[e] == STEP else 0.0
            if todo[e] == STEP:
                float64s(where[AT.reward_sum], where[AT.E], 1)[e, 0] += reward[e, s]
                _collect(where, e, s, row[COMPLETED])
        _show_cluster(where, e, values[e, where[AT.S]])
    return finished


@_inner
def _forget(where, e):
    """The environment begins a new episode."""
    E, S = where[AT.E], where[AT.S]
    int64s(where[AT.clock], E, 1)[e] = 0
    float64s(where[AT.reward_sum], E, 1)[e] = 0.0
    float64s(where[AT.average], E, S)[e] = 0.0
    int64s(where[AT.leaf_sum], E, where[AT.B])[e] = 0
    ring = int64s(where[AT.ring], where[AT.K] * E, S)
    for n in range(where[AT.K]):
        ring[n * E + e] = 0


@_inner
def _measure_rates(where, e, clock):
    """Push the window's arrivals; renew the mean over the spans if it is time to."""
    E, S, head = where[AT.E], where[AT.S], where[AT.head]
    ring, arrived = int64s(where[AT.ring], where[AT.K] * E, S), int64s(where[AT.t_arrived], E, S)
    now, before = ring[head * E + e], ring[(head - 1) % where[AT.K] * E + e]
    for s in range(S):
        now[s] = before[s] + arrived[e, s]
    if clock % where[AT.refresh] != 0:
        return
    M = where[AT.M]
    spans, slots = int64s(where[AT.spans], 1, M)[0], int64s(where[AT.slots], 1, M)[0]
    average = float64s(where[AT.average], E, S)[e]
    average[:] = 0.0
    for n in range(M):
        then, windows = ring[slots[n] * E + e], min(clock, spans[n])
        for s in range(S):
            average[s] += (now[s] - then[s]) / windows
    for s in range(S):
        average[s] /= M * float64s(where[AT.numbers], 1, 6)[0, PERIOD_S]


@_inner
def _show(where, e, s, row):
    """What an info shows of an instance."""
    E, S = where[AT.E], where[AT.S]
    numbers = float64s(where[AT.numbers], 1, 6)[0]
    device = int64s(where[AT.fixed], S, FIXED)[s, DEVICE]
    here, window_ns = int8s(where[AT.t_present], E, where[AT.D])[e, device], int64s(where[AT.t_window_ns], E, 1)[e, 0]
    int8s(where[AT.here], E, S)[e, s] = here != 0
    row[PRESENT] = here != 0
    row[VALID] = here != 0 and int8s(where[AT.t_valid], E, S)[e, s] != 0
    row[AGE_NS] = int64s(where[AT.t_age_ns], E, S)[e, s]
    row[ARRIVED] = int64s(where[AT.t_arrived], E, S)[e, s]
    row[EXECUTED] = int64s(where[AT.t_executed], E, S)[e, s]
    row[COMPLETED] = int64s(where[AT.t_completed], E, S)[e, s]
    row[ON_TIME] = int64s(where[AT.t_on_time], E, S)[e, s]
    row[DROPPED_FULL] = int64s(where[AT.t_dropped_full], E, S)[e, s]
    row[DROPPED_LATE] = int64s(where[AT.t_dropped_late], E, S)[e, s]
    row[DROPPED_OUT] = int64s(where[AT.t_dropped_out], E, S)[e, s]
    row[FAILED] = int64s(where[AT.t_failed], E, S)[e, s]
    row[LOST] = int64s(where[AT.t_lost], E, S)[e, s]
    row[IN_STAGE] = int64s(where[AT.t_in_stage], E, S)[e, s]
    row[LATENCY_NS] = int64s(where[AT.t_local_latency_ns], E, S)[e, s]
    row[TIMEOUT_NS] = int64s(where[AT.t_timeout_ns], E, S)[e, s]
    for q in range(5):
        row[QUEUES + q] = int32s(where[AT.t_queue], E * S, 5)[e * S + s, q]
    row[PACK] = int32s(where[AT.t_pack], E, S)[e, s]
    row[BATCH] = int32s(where[AT.t_batch], E, S)[e, s]
    row[PRE] = int32s(where[AT.t_pre], E, S)[e, s]
    row[POST] = int32s(where[AT.t_post], E, S)[e, s]
    row[ACTIVE] = int8s(where[AT.t_active], E, S)[e, s]
    row[SET_BY] = int8s(where[AT.t_set_by], E, S)[e, s]
    gross = float64s(where[AT.average], E, S)[e, s]
    late = row[DROPPED_LATE] / (window_ns / 1e9 if window_ns > 0 else numbers[PERIOD_S])
    row[RATE] = gross
    row[NET_RATE] = max(gross - late, numbers[LEAST_RATE]) if gross > 0.0 else 0.0


@_inner
def _see(where, e, s, row):
    """FCPO's observation of an instance."""
    E, S = where[AT.E], where[AT.S]
    last, fixed = float32s(where[AT.last], E * S, OBSERVATION)[e * S + s], int64s(where[AT.fixed], S, FIXED)[s]
    pre, post = int32s(where[AT.t_requested_pre], E, S)[e, s], int32s(where[AT.t_requested_post], E, S)[e, s]
    asked_pre, asked_post = pre if pre > 0 else row[PRE], post if post > 0 else row[POST]
    # Other policies may ask for more threads than an action can.
    threads = min(max(asked_pre, 1), 2) - 1 + 2 * (min(max(asked_post, 1), 2) - 1)
    last[0] = min(row[PACK] / fixed[SIZE_PACK], 1.0)
    last[1] = min(row[BATCH] / fixed[SIZE_BATCH], 1.0)
    last[2] = min(threads, fixed[SIZE_THREADS] - 1) / fixed[SIZE_THREADS]
    last[3] = min(row[NET_RATE] / RATE_UNIT, RATE_CAP)
    last[4] = min(row[QUEUES] / QUEUE_UNIT, 1.0)
    last[5] = min(row[QUEUES + 1] / QUEUE_UNIT, 1.0)
    last[6] = min(row[QUEUES + 3] / QUEUE_UNIT, 1.0)
    last[7] = min(fixed[SLO_NS] / SLO_UNIT, SLO_CAP)


@_inner
def _pay(where, e, s, row):
    """FCPO's reward of an instance (Eq. 1)."""
    numbers, window_ns = float64s(where[AT.numbers], 1, 6)[0], int64s(where[AT.t_window_ns], where[AT.E], 1)[e, 0]
    net = row[NET_RATE]
    if net > 0.0:
        throughput = min((row[EXECUTED] / (window_ns / 1e9) + 0.1) / net, numbers[THROUGHPUT_CAP])
        served = numbers[THETA] * throughput - numbers[SIGMA] * (row[LATENCY_NS] / 1e9)
        oversize = row[BATCH] / net
    else:
        served, oversize = 0.0, row[BATCH] / 10.0
    return min(max((served - numbers[PHI] * oversize**2) / 2, -1.0), 1.0)


@_inner
def _collect(where, e, s, most):
    """Add the window's latencies of results that end here, at most `most`, to the episode's.

    They are alike from window to window: what lies in the span (first bin, last + 1; a hint that grows) is mostly all.
    """
    S, B = where[AT.S], where[AT.B]
    if most == 0 or int64s(where[AT.fixed], S, FIXED)[s, IS_LEAF] == 0:
        return
    results = uint32s(where[AT.leaf_hist] + e * where[AT.leaf_step_e] + s * where[AT.leaf_step_s], B)
    total, span = (
        int64s(where[AT.leaf_sum], where[AT.E], B)[e],
        int64s(where[AT.leaf_span], where[AT.E] * S, 2)[e * S + s],
    )
    low, high, found = span[0], span[1], 0
    for b in range(low, high):
        total[b] += results[b]
        found += results[b]
    if found >= most:
        return
    for b in range(low):
        if results[b] > 0:
            total[b] += results[b]
            span[0] = min(span[0], b)
    for b in range(high, B):
        if results[b] > 0:
            total[b] += results[b]
            span[1] = b + 1


@_inner
def _show_cluster(where, e, row):
    """What an info shows of the whole cluster."""
    E, C = where[AT.E], where[AT.C]
    row[T_NS] = int64s(where[AT.t_t_ns], E, 1)[e, 0]
    row[WINDOW_NS] = int64s(where[AT.t_window_ns], E, 1)[e, 0]
    row[GENERATED] = int64s(where[AT.t_generated], E, C)[e].sum()
    row[RESULTS_ON_TIME] = int64s(where[AT.t_on_time_results], E, C)[e].sum()
    row[RESULTS_LATE] = int64s(where[AT.t_late], E, C)[e].sum()
    row[RESULTS_DROPPED] = int64s(where[AT.t_dropped], E, C)[e].sum()
    row[RESULTS_MISSED] = int64s(where[AT.t_missed], E, C)[e].sum()
    row[RESULTS_LOST] = int64s(where[AT.t_lost_results], E, C)[e].sum()
    row[IN_FLIGHT] = int64s(where[AT.t_in_flight], E, C)[e].sum()
    row[OVERDUE] = int64s(where[AT.t_overdue], E, C)[e].sum()
