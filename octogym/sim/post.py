"""Post-processing: threads take batches from Q4 and finish their images one after the other (docs/contract.md 4).

A leaf's post threads are brought up to date when a batch comes and at the window's end; nobody else sees their
results in between.
Other instances have a timer, since what they emit goes on to others (`forward`).
"""

from __future__ import annotations

import numpy as np

from octogym.cluster.telemetry import BINS
from octogym.sim.account import drop_batch, write_log
from octogym.sim.bits import float_bits, high_product
from octogym.sim.division import quotient
from octogym.sim.jit import jit, rarely, small
from octogym.sim.keys import exponential
from octogym.sim.layout import (
    A_INST,
    BATCH_HEAD,
    CAM,
    CAM_LATE,
    CAM_ON_TIME,
    COMPLETED,
    DROPPED_FULL,
    EXP_POST,
    FATE_COMPLETED,
    HEADER,
    HIST_HIGH,
    HIST_LOW,
    I_CAP4,
    I_GOOD_AGE,
    I_LEAF,
    I_SLO,
    I_STAGE,
    I_WORDS,
    IN_STAGE,
    INF,
    INST,
    KIND_POST,
    LATENCY,
    LEAF_HIGH,
    LEAF_LOW,
    LOG_ROOM,
    N_INST,
    NEXT,
    NIL,
    O_CAM,
    ON_TIME,
    ONE,
    PAUSE,
    POST,
    POST_BATCH,
    POST_HIGH,
    POST_ITEM,
    POST_NEXT,
    POST_TIME,
    POST_WAKE,
    Q4_HEAD,
    Q4_N,
    Q4_TAIL,
    RUN_ARRIVE,
    RUN_BIRTH,
    RUN_INDEX,
    RUN_N,
    RUN_STEP,
    THREAD,
    ZERO,
)
from octogym.sim.pool import free_cell
from octogym.sim.runs import camera_of, leaves_each, request_key
from octogym.sim.timers import set_timer

#: 0.1 ms are 64 units of 3125 / 2 ns. Latencies below 2**62 ns are divided by a unit without a division: by the upper
#: word of their product with _PER_NS, shifted (Granlund and Montgomery 1994).
_SHIFT = np.int64(10)
_PER_NS = np.uint64(-(-(1 << (65 + 10)) // 3125))
#: A double's exponent and the upper 6 bits of its mantissa number the 64ths of octaves; 64 units are in bin 1.
_LOWER = np.int64(52 - 6)
_FIRST = np.int64(((1023 + 6) << 6) - 1)


@small
def latency_bin(latency):
    """Bin of a latency in ns: 64 per octave from 0.1 ms; the inverse of `latency_bin_edges_ns`."""
    units = np.int64(high_product(np.uint64(latency), _PER_NS)) >> _SHIFT
    return min(max((float_bits(units) >> _LOWER) - _FIRST, ZERO), np.int64(BINS - 1))


@small
def widen(m, low, high, first, last):
    """The window's histogram has counts from bin `first` to `last`; its lowest and highest lie at `low` and `high`."""
    m[low], m[high] = min(m[low], first), max(m[high], last)


@small
def within(limit, first, n, gap):
    """How many of n times, the first and every `gap` more, are at most `limit`."""
    if first + (n - 1) * gap <= limit:
        return n
    if first > limit:
        return ZERO
    return 1 + quotient(limit - first, gap)


@small
def post_time(m, cells, tab, s, run):
    """Time that the first image of a run takes."""
    time = m[HEADER + s * INST + POST_TIME]
    if tab[EXP_POST]:
        stage = tab[tab[A_INST] + s * I_WORDS + I_STAGE]
        time = exponential(request_key(cells, run, ZERO), stage, KIND_POST, time)
    return time


@small
def take_batch(m, cells, tab, s, thread, batch, now):
    """A post thread takes a batch: its images' local latencies are known now."""
    i = HEADER + s * INST
    head = cells[batch + BATCH_HEAD]
    m[i + POST_BATCH + THREAD * thread] = batch
    m[i + POST_ITEM + THREAD * thread] = head
    m[i + POST_WAKE + THREAD * thread] = now + post_time(m, cells, tab, s, head)
    average = m[i + LATENCY + THREAD * thread]
    run = head
    while run != NIL:
        sample = now - cells[run + RUN_ARRIVE]
        if average == NIL:
            average = sample
        for _ in range(cells[run + RUN_N]):
            average = quotient(average + sample + 3 * max(average, sample), 5)
        run = cells[run + NEXT]
    m[i + LATENCY + THREAD * thread] = average


@jit
def log_completed(m, cells, log, s, run, n, first, gap):
    rarely()
    for j in range(n):
        write_log(m, cells, log, s, run, j, first + j * gap, FATE_COMPLETED)


@small
def finish_image(m, cells, tab, hist, log, s, run, now):
    """The first image of a run is done, and goes on from here: counters."""
    i = HEADER + s * INST
    b = latency_bin(now - cells[run + RUN_ARRIVE])
    hist[s * BINS + b] += 1
    widen(m, i + HIST_LOW, i + HIST_HIGH, b, b)
    m[i + COMPLETED] += 1
    m[i + IN_STAGE] -= 1
    if now - cells[run + RUN_BIRTH] <= tab[tab[A_INST] + s * I_WORDS + I_GOOD_AGE]:
        m[i + ON_TIME] += 1
    if m[LOG_ROOM] > 0:
        log_completed(m, cells, log, s, run, ONE, now, ZERO)


@small
def finish_results(m, cells, tab, hist, log, s, run, n, first, gap):
    """The first n images of a run are done at a leaf, at `first` and every `gap` after it: counters and results."""
    i, a = HEADER + s * INST, tab[A_INST] + s * I_WORDS
    here, there = s * BINS, (tab[N_INST] + s) * BINS
    local, age = first - cells[run + RUN_ARRIVE], first - cells[run + RUN_BIRTH]
    in_budget, in_slo = within(tab[a + I_GOOD_AGE], age, n, gap), within(tab[a + I_SLO], age, n, gap)
    low = high = latency_bin(local)
    leaf_low = leaf_high = latency_bin(age)
    hist[here + low] += 1
    hist[there + leaf_low] += 1
    for _ in range(1, n):
        local += gap
        age += gap
        high, leaf_high = latency_bin(local), latency_bin(age)
        hist[here + high] += 1
        hist[there + leaf_high] += 1
    widen(m, i + HIST_LOW, i + HIST_HIGH, low, high)
    widen(m, i + LEAF_LOW, i + LEAF_HIGH, leaf_low, leaf_high)
    m[i + COMPLETED] += n
    m[i + IN_STAGE] -= n
    m[i + ON_TIME] += in_budget
    camera, each = tab[O_CAM] + camera_of(cells, run) * CAM, leaves_each(cells, run)
    m[camera + CAM_ON_TIME] += in_slo * each
    m[camera + CAM_LATE] += (n - in_slo) * each
    if m[LOG_ROOM] > 0:
        log_completed(m, cells, log, s, run, n, first, gap)


@small
def next_post(m, s):
    """Time and thread of the next thing that happens in post-processing."""
    i = HEADER + s * INST
    time, thread = INF, 0
    for k in range(m[i + POST_HIGH]):
        awake = m[i + POST_BATCH + THREAD * k] != NIL or (m[i + Q4_N] > 0 and k < m[i + POST])
        if awake and m[i + POST_WAKE + THREAD * k] < time:
            time, thread = m[i + POST_WAKE + THREAD * k], k
    return time, thread


@jit
def take_next_batch(m, cells, tab, s, thread, now):
    """A rested post thread takes the oldest batch of Q4."""
    i = HEADER + s * INST
    batch = m[i + Q4_HEAD]
    m[i + Q4_HEAD] = cells[batch + NEXT]
    m[i + Q4_N] -= 1
    take_batch(m, cells, tab, s, thread, batch, now)


@small
def move_on(m, cells, tab, s, thread, n, now):
    """The thread has finished n images of its run: on to the next ones, or to its rest."""
    i = HEADER + s * INST
    run = m[i + POST_ITEM + THREAD * thread]
    if n < cells[run + RUN_N]:
        cells[run + RUN_N] -= n
        cells[run + RUN_INDEX] += n * cells[run + RUN_STEP]
    else:
        following = cells[run + NEXT]
        free_cell(m, cells, run)
        run = following
    if run == NIL:
        free_cell(m, cells, m[i + POST_BATCH + THREAD * thread])
        m[i + POST_BATCH + THREAD * thread] = NIL
        m[i + POST_WAKE + THREAD * thread] = now + tab[PAUSE]
    else:
        m[i + POST_ITEM + THREAD * thread] = run
        m[i + POST_WAKE + THREAD * thread] = now + post_time(m, cells, tab, s, run)


@small
def advance_leaf(m, cells, tab, hist, log, s, until):
    """Bring a leaf's post-processing up to `until`, included; whole runs at once."""
    i = HEADER + s * INST
    while True:
        time, thread = next_post(m, s)
        if time > until:
            return
        if m[i + POST_BATCH + THREAD * thread] == NIL:
            take_next_batch(m, cells, tab, s, thread, time)
            continue
        run = m[i + POST_ITEM + THREAD * thread]
        n, gap = ONE, m[i + POST_TIME]
        if cells[run + RUN_N] > 1 and not tab[EXP_POST]:
            n = cells[run + RUN_N]
            if gap > 0:
                n = min(n, 1 + quotient(until - time, gap))
        finish_results(m, cells, tab, hist, log, s, run, n, time, gap)
        move_on(m, cells, tab, s, thread, n, time + (n - 1) * gap)


@small
def schedule_post(m, tab, s):
    """Timer of the next image; a leaf needs none."""
    if not tab[tab[A_INST] + s * I_WORDS + I_LEAF]:
        time, m[HEADER + s * INST + POST_NEXT] = next_post(m, s)
        set_timer(m, tab, s, time)


@small
def batch_to_post(m, cells, tab, hist, log, s, batch, now):
    """A batch comes out of inference: to an idle thread, or to Q4."""
    i = HEADER + s * INST
    if tab[tab[A_INST] + s * I_WORDS + I_LEAF]:
        advance_leaf(m, cells, tab, hist, log, s, now)
    idle = NIL
    for k in range(m[i + POST]):
        if m[i + POST_BATCH + THREAD * k] == NIL and m[i + POST_WAKE + THREAD * k] <= now:
            idle = k
            break
    if idle != NIL:
        take_batch(m, cells, tab, s, idle, batch, now)
    else:
        if m[i + Q4_N] >= tab[tab[A_INST] + s * I_WORDS + I_CAP4]:
            oldest = m[i + Q4_HEAD]
            m[i + Q4_HEAD] = cells[oldest + NEXT]
            m[i + Q4_N] -= 1
            drop_batch(m, cells, tab, log, s, oldest, now, DROPPED_FULL)
        cells[batch + NEXT] = NIL
        if m[i + Q4_N] == 0:
            m[i + Q4_HEAD] = batch
        else:
            cells[m[i + Q4_TAIL] + NEXT] = batch
        m[i + Q4_TAIL] = batch
        m[i + Q4_N] += 1
    schedule_post(m, tab, s)
