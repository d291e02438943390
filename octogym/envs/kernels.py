"""The two compiled loops between an environment and its backend: actions to settings, telemetry to observations.

Plain functions over arrays, E environments of S instances, serial: they take a few microseconds where the backend
takes hundreds. `observe` states in machine code what `octogym.cluster.rate.RateMeter` and
`octogym.cluster.reward.FcpoReward` state in NumPy; the tests hold them against each other.
"""

from __future__ import annotations

import numba
import numpy as np

from octogym.cluster.settings import KEEP

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

_jit = numba.njit(cache=True, error_model="numpy", nogil=True)


@_jit
def decide(actions, columns, accepted, sizes, thread_actions, present, pack, batch, pre, post):
    """Write the settings that `actions` int64 [E, A, 3] ask for into a decision's arrays [E, S].

    `columns` int64 [A]: instance of each action; `accepted` int64 [A, 3]: sizes of its action space; `sizes` int64
    [A, 3]: the instance's own, to which larger indices are clipped; `thread_actions` int64 [4, 2]: (pre, post).
    Actions for instances that are not `present` are ignored. Returns -1, or e * A + a of the first action outside
    `accepted`.
    """
    for e in range(actions.shape[0]):
        for a in range(columns.shape[0]):
            s = columns[a]
            if not present[e, s]:
                pack[e, s] = batch[e, s] = pre[e, s] = post[e, s] = KEEP
                continue
            for h in range(3):
                if actions[e, a, h] < 0 or actions[e, a, h] >= accepted[a, h]:
                    return e * columns.shape[0] + a
            threads = min(actions[e, a, 2], sizes[a, 2] - 1)
            pack[e, s] = min(actions[e, a, 0], sizes[a, 0] - 1) + 1
            batch[e, s] = min(actions[e, a, 1], sizes[a, 1] - 1) + 1
            pre[e, s] = thread_actions[threads, 0]
            post[e, s] = thread_actions[threads, 1]
    return -1


@_jit
def _collect(results, wanted, total, span):
    """Add the histogram `results`, which holds at most `wanted`, to `total`.

    Latencies are alike from window to window: what lies in `span` (first bin, last + 1; a hint that grows) is mostly
    all.
    """
    low, high, found = span[0], span[1], 0
    for b in range(low, high):
        total[b] += results[b]
        found += results[b]
    if found >= wanted:
        return
    for b in range(low):
        if results[b] > 0:
            total[b] += results[b]
            span[0] = min(span[0], b)
    for b in range(high, results.shape[0]):
        if results[b] > 0:
            total[b] += results[b]
            span[1] = b + 1


@_jit
def observe(
    todo,
    horizon,
    numbers,
    spans,
    refresh,
    head,
    fixed,
    totals,
    average,
    clock,
    present,
    last,
    leaf_sum,
    leaf_span,
    reward_sum,
    t_ns,
    window_ns,
    arrived,
    executed,
    completed,
    on_time,
    dropped_full,
    dropped_late,
    dropped_out,
    failed,
    lost,
    in_stage,
    latency_ns,
    queue,
    leaf_hist,
    active,
    set_pack,
    set_batch,
    set_pre,
    set_post,
    requested_pre,
    requested_post,
    timeout_ns,
    set_by,
    valid,
    age_ns,
    device_present,
    generated,
    results_on_time,
    results_late,
    results_dropped,
    results_missed,
    results_lost,
    in_flight,
    overdue,
    observation,
    reward,
    values,
):
    """Turn one window's telemetry into observations, rewards and what infos show.

    `todo` int8 [E]: SKIP, STEP or RESET; `numbers` float64 [6]: theta, sigma, phi, least rate and throughput cap of the
    reward, length of a window in s; `refresh`: windows between renewals of the rate. State that it advances: `totals`
    int64 [K, E, S] (ring of cumulative arrivals, `head` the slot of this window), `average` float64 [E, S], `clock`
    int64 [E] (windows since the reset), `present` bool [E, S], `last` float32 [E, S, 8], `leaf_sum` int64 [E, B] and
    `reward_sum` float64 [E] of the episode, `leaf_span` int64 [E, S, 2] of all episodes. Results: `observation` float32
    [E, S, 8], `reward` float32 [E, S], `values` float64 [E, S + 1, VALUES]. Returns the number of environments that
    have reached `horizon` windows.
    """
    theta, sigma, phi = numbers[0], numbers[1], numbers[2]
    least_rate, throughput_cap, period_s = numbers[3], numbers[4], numbers[5]
    ring, finished = totals.shape[0], 0
    before = (head - 1) % ring
    # A division by the ring's length takes longer than all the rest of a rate.
    slots, windows = np.empty(spans.shape[0], np.int64), np.empty(spans.shape[0])
    for n in range(spans.shape[0]):
        slots[n] = (head - spans[n]) % ring
    for e in range(todo.shape[0]):
        if todo[e] == SKIP:
            continue
        if todo[e] == RESET:
            clock[e] = 0
            reward_sum[e] = 0.0
            totals[:, e] = 0
            average[e] = 0.0
            leaf_sum[e] = 0
        else:
            clock[e] += 1
            if clock[e] >= horizon:
                finished += 1
        window_s = window_ns[e] / 1e9 if window_ns[e] > 0 else period_s
        renew = todo[e] == STEP and clock[e] % refresh == 0
        for n in range(spans.shape[0]):
            windows[n] = min(clock[e], spans[n])
        for s in range(fixed.shape[0]):
            here = device_present[e, fixed[s, DEVICE]] != 0
            present[e, s] = here
            if todo[e] == STEP:
                totals[head, e, s] = totals[before, e, s] + arrived[e, s]
            if renew:
                gross = 0.0
                for n in range(spans.shape[0]):
                    gross += (totals[head, e, s] - totals[slots[n], e, s]) / windows[n]
                average[e, s] = gross / (spans.shape[0] * period_s)
            gross = average[e, s]
            net = max(gross - dropped_late[e, s] / window_s, least_rate)
            idle = gross <= 0.0
            row = values[e, s]
            row[RATE] = gross
            row[NET_RATE] = 0.0 if idle else net

            fresh = here and valid[e, s] != 0
            if fresh or todo[e] == RESET:
                ask_pre = requested_pre[e, s] if requested_pre[e, s] > 0 else set_pre[e, s]
                ask_post = requested_post[e, s] if requested_post[e, s] > 0 else set_post[e, s]
                threads = min(max(ask_pre, 1), 2) - 1 + 2 * (min(max(ask_post, 1), 2) - 1)
                threads = min(threads, fixed[s, SIZE_THREADS] - 1)
                last[e, s, 0] = min(set_pack[e, s] / fixed[s, SIZE_PACK], 1.0)
                last[e, s, 1] = min(set_batch[e, s] / fixed[s, SIZE_BATCH], 1.0)
                last[e, s, 2] = threads / fixed[s, SIZE_THREADS]
                last[e, s, 3] = min(row[NET_RATE] / RATE_UNIT, RATE_CAP)
                last[e, s, 4] = min(queue[e, s, 0] / QUEUE_UNIT, 1.0)
                last[e, s, 5] = min(queue[e, s, 1] / QUEUE_UNIT, 1.0)
                last[e, s, 6] = min(queue[e, s, 3] / QUEUE_UNIT, 1.0)
                last[e, s, 7] = min(fixed[s, SLO_NS] / SLO_UNIT, SLO_CAP)
            observation[e, s] = last[e, s]

            value = 0.0
            if todo[e] == STEP and fresh:
                if idle:
                    oversize = set_batch[e, s] / 10.0
                    served = 0.0
                else:
                    oversize = set_batch[e, s] / net
                    throughput = min((executed[e, s] / window_s + 0.1) / net, throughput_cap)
                    served = theta * throughput - sigma * (latency_ns[e, s] / 1e9)
                value = min(max((served - phi * oversize**2) / 2, -1.0), 1.0)
            reward[e, s] = value
            reward_sum[e] += value

            if fixed[s, IS_LEAF] and completed[e, s] > 0 and todo[e] == STEP:
                _collect(leaf_hist[e, s], completed[e, s], leaf_sum[e], leaf_span[e, s])

            row[ARRIVED] = arrived[e, s]
            row[EXECUTED] = executed[e, s]
            row[COMPLETED] = completed[e, s]
            row[ON_TIME] = on_time[e, s]
            row[DROPPED_FULL] = dropped_full[e, s]
            row[DROPPED_LATE] = dropped_late[e, s]
            row[DROPPED_OUT] = dropped_out[e, s]
            row[FAILED] = failed[e, s]
            row[LOST] = lost[e, s]
            row[IN_STAGE] = in_stage[e, s]
            row[LATENCY_NS] = latency_ns[e, s]
            for q in range(5):
                row[QUEUES + q] = queue[e, s, q]
            row[ACTIVE] = active[e, s]
            row[PACK] = set_pack[e, s]
            row[BATCH] = set_batch[e, s]
            row[PRE] = set_pre[e, s]
            row[POST] = set_post[e, s]
            row[TIMEOUT_NS] = timeout_ns[e, s]
            row[SET_BY] = set_by[e, s]
            row[PRESENT] = here
            row[VALID] = fresh
            row[AGE_NS] = age_ns[e, s]
        row = values[e, fixed.shape[0]]
        row[T_NS] = t_ns[e]
        row[WINDOW_NS] = window_ns[e]
        row[GENERATED] = generated[e].sum()
        row[RESULTS_ON_TIME] = results_on_time[e].sum()
        row[RESULTS_LATE] = results_late[e].sum()
        row[RESULTS_DROPPED] = results_dropped[e].sum()
        row[RESULTS_MISSED] = results_missed[e].sum()
        row[RESULTS_LOST] = results_lost[e].sum()
        row[IN_FLIGHT] = in_flight[e].sum()
        row[OVERDUE] = overdue[e].sum()
    return finished
