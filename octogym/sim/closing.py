"""The window's end: everything up to date, then the telemetry (docs/contract.md 2, item 5)."""

from __future__ import annotations

from octogym.cluster.telemetry import BINS
from octogym.sim.gpu import settle
from octogym.sim.jit import jit
from octogym.sim.layout import (
    A_CAM,
    A_GPU,
    A_GROUP,
    A_INST,
    ACTIVE,
    ARRIVED,
    BATCH,
    BATCH_HEAD,
    C_SLO,
    C_WORDS,
    CAM,
    CAM_DROPPED,
    CAM_FRAMES,
    CAM_GENERATED,
    CAM_LAST,
    CAM_LATE,
    CAM_LOST,
    CAM_MISSED,
    CAM_ON_TIME,
    CAM_OVERDUE,
    COUNTS,
    FRAME_HEAD,
    FRAME_N,
    G_SOURCE,
    G_WORDS,
    GPU,
    GPU_BUSY,
    GPU_SEEN,
    GROUP,
    GROUP_Q5,
    HAND_FRAMES,
    HAND_HEAD,
    HEADER,
    HIST_HIGH,
    HIST_LOW,
    I_DEVICE,
    I_WORDS,
    IN_STAGE,
    INF,
    INFER,
    INST,
    LAST_COUNTS,
    LATENCY,
    LEAF_HIGH,
    LEAF_LOW,
    LINK,
    LINK_BUSY,
    LINK_BYTES,
    LINK_CUR,
    LINK_HEAD,
    LINK_START,
    MSG_HEAD,
    N_CAM,
    N_DEVICE,
    N_GPU,
    N_GROUP,
    N_INST,
    N_ROUTE,
    NEXT,
    NIL,
    O_CAM,
    O_GPU,
    O_GROUP,
    O_LINK,
    O_PRESENT,
    O_ROUTE,
    P_DEVICE,
    P_WORDS,
    PACK,
    PERIOD,
    POST,
    POST_BATCH,
    POST_HIGH,
    POST_ITEM,
    PRE,
    PRE_DONE,
    PRE_HIGH,
    PRE_ITEM,
    Q1_HEAD,
    Q1_N,
    Q3_HEAD,
    Q3_N,
    Q4_HEAD,
    Q4_N,
    ROUTE,
    ROUTE_SHARE,
    RUN_BIRTH,
    RUN_N,
    SET_BY,
    SHOWN_POST,
    SHOWN_PRE,
    THREAD,
    TIMEOUT,
)
from octogym.sim.rates import rate_at
from octogym.sim.runs import camera_of, leaves_each


@jit
def count_overdue(m, cells, tab, run, now):
    """Leaves of a chain that are past their SLO go to their cameras' overdue counts."""
    while run != NIL:
        camera = camera_of(cells, run)
        if now - cells[run + RUN_BIRTH] > tab[tab[A_CAM] + camera * C_WORDS + C_SLO]:
            m[tab[O_CAM] + camera * CAM + CAM_OVERDUE] += cells[run + RUN_N] * leaves_each(cells, run)
        run = cells[run + NEXT]


@jit
def count_overdue_batches(m, cells, tab, batch, now):
    while batch != NIL:
        count_overdue(m, cells, tab, cells[batch + BATCH_HEAD], now)
        batch = cells[batch + NEXT]


@jit
def count_overdue_messages(m, cells, tab, message, now):
    while message != NIL:
        count_overdue(m, cells, tab, cells[message + MSG_HEAD], now)
        message = cells[message + NEXT]


@jit
def all_overdue(m, cells, tab, now):
    """Walk all that is in flight."""
    for s in range(tab[N_INST]):
        i = HEADER + s * INST
        if m[i + IN_STAGE] == 0:
            continue
        if m[i + Q1_HEAD] != NIL:
            count_overdue(m, cells, tab, m[i + Q1_HEAD], now)
        for k in range(m[i + PRE_HIGH]):
            if m[i + PRE_DONE + THREAD * k] != INF and m[i + PRE_ITEM + THREAD * k] != NIL:
                cells[m[i + PRE_ITEM + THREAD * k] + NEXT] = NIL
                count_overdue(m, cells, tab, m[i + PRE_ITEM + THREAD * k], now)
        if m[i + FRAME_N] > 0:
            count_overdue(m, cells, tab, m[i + FRAME_HEAD], now)
        if m[i + HAND_FRAMES] > 0:
            count_overdue(m, cells, tab, m[i + HAND_HEAD], now)
        if m[i + Q3_N] > 0:
            count_overdue_batches(m, cells, tab, m[i + Q3_HEAD], now)
        count_overdue_batches(m, cells, tab, m[i + INFER], now)
        if m[i + Q4_N] > 0:
            count_overdue_batches(m, cells, tab, m[i + Q4_HEAD], now)
        for k in range(m[i + POST_HIGH]):
            if m[i + POST_BATCH + THREAD * k] != NIL:
                count_overdue(m, cells, tab, m[i + POST_ITEM + THREAD * k], now)
    for link in range(2 * tab[N_DEVICE]):
        state = tab[O_LINK] + link * LINK
        if m[state + LINK_CUR] != NIL:
            count_overdue(m, cells, tab, cells[m[state + LINK_CUR] + MSG_HEAD], now)
        count_overdue_messages(m, cells, tab, m[state + LINK_HEAD], now)


@jit
def begin_window(m, tab, hist):
    """Counters and histograms of a new window."""
    for s in range(tab[N_INST]):
        i = HEADER + s * INST
        for k in range(COUNTS):
            m[i + LAST_COUNTS + k] = m[i + ARRIVED + k]
        for k in range(m[i + POST_HIGH]):
            m[i + LATENCY + THREAD * k] = NIL
        for b in range(m[i + HIST_LOW], m[i + HIST_HIGH] + 1):
            hist[s * BINS + b] = 0
        at = (tab[N_INST] + s) * BINS
        for b in range(m[i + LEAF_LOW], m[i + LEAF_HIGH] + 1):
            hist[at + b] = 0
        m[i + HIST_LOW] = m[i + LEAF_LOW] = BINS
        m[i + HIST_HIGH] = m[i + LEAF_HIGH] = -1
    for c in range(tab[N_CAM]):
        at = tab[O_CAM] + c * CAM
        for k in range(8):
            m[at + CAM_LAST + k] = m[at + CAM_FRAMES + k]
    for link in range(2 * tab[N_DEVICE]):
        m[tab[O_LINK] + link * LINK + LINK_BYTES] = 0
        m[tab[O_LINK] + link * LINK + LINK_BUSY] = 0
    for gpu in range(tab[N_GPU]):
        at = tab[O_GPU] + gpu * GPU
        m[at + GPU_SEEN] = m[at + GPU_BUSY]


@jit
def report_instances(m, tab, rows, counts, settings, queue, flags, age, share):
    """Rows of the instances, in the order of `octogym.sim.buffers`; blocks [F, rows = E x S] from this environment's
    first row on."""
    # Field by field: lines of one block far from each other are not kept in the cache side by side.
    for k in range(COUNTS):
        for s in range(tab[N_INST]):
            at = HEADER + s * INST + k
            counts[k * rows + s] = m[at + ARRIVED] - m[at + LAST_COUNTS]
            counts[(COUNTS + k) * rows + s] = m[at + ARRIVED]
    for s in range(tab[N_INST]):
        i = HEADER + s * INST
        counts[18 * rows + s] = m[i + IN_STAGE]
        total, samples = 0, 0
        for k in range(m[i + POST_HIGH]):
            if m[i + LATENCY + THREAD * k] != NIL:
                total += m[i + LATENCY + THREAD * k]
                samples += 1
        counts[19 * rows + s] = total // samples if samples else 0
        counts[20 * rows + s] = m[i + TIMEOUT]
        settings[s] = m[i + PACK]
        settings[rows + s] = m[i + BATCH]
        settings[2 * rows + s] = m[i + PRE]
        settings[3 * rows + s] = m[i + POST]
        settings[4 * rows + s] = m[i + SHOWN_PRE]
        settings[5 * rows + s] = m[i + SHOWN_POST]
        queue[5 * s] = m[i + Q1_N]
        queue[5 * s + 1] = 0
        queue[5 * s + 2] = m[i + Q3_N]
        queue[5 * s + 3] = m[i + Q4_N]
        queue[5 * s + 4] = 0
        flags[s] = m[i + ACTIVE]
        flags[rows + s] = m[i + SET_BY]
        # Nothing is heard of an absent device: its rows are not valid, and as old as its absence.
        here = m[tab[O_PRESENT] + tab[tab[A_INST] + s * I_WORDS + I_DEVICE]]
        flags[2 * rows + s] = here
        age[s] = 0 if here else age[s] + tab[PERIOD]
    for group in range(tab[N_GROUP]):
        source = tab[tab[A_GROUP] + group * G_WORDS + G_SOURCE]
        if source < tab[N_INST]:
            queue[5 * source + 4] += m[tab[O_GROUP] + group * GROUP + GROUP_Q5]
    for r in range(tab[N_ROUTE]):
        share[r] = m[tab[O_ROUTE] + r * ROUTE + ROUTE_SHARE]


@jit
def report_cameras(m, cells, tab, rows, cameras, now):
    in_flight_any = False
    for c in range(tab[N_CAM]):
        at = tab[O_CAM] + c * CAM
        for k in range(8):
            cameras[k * rows + c] = m[at + CAM_FRAMES + k] - m[at + CAM_LAST + k]
        for k in range(6):
            cameras[(8 + k) * rows + c] = m[at + CAM_GENERATED + k]
        settled = m[at + CAM_ON_TIME] + m[at + CAM_LATE] + m[at + CAM_DROPPED] + m[at + CAM_MISSED] + m[at + CAM_LOST]
        cameras[14 * rows + c] = m[at + CAM_GENERATED] - settled
        in_flight_any |= cameras[14 * rows + c] > 0
        m[at + CAM_OVERDUE] = 0
    if in_flight_any:
        all_overdue(m, cells, tab, now)
    for c in range(tab[N_CAM]):
        cameras[15 * rows + c] = m[tab[O_CAM] + c * CAM + CAM_OVERDUE]


@jit
def report_devices(m, tab, plan, rows, present, gpu_busy, links, start, now):
    for d in range(tab[N_DEVICE]):
        present[d] = m[tab[O_PRESENT] + d]
        gpu_busy[d] = 0
    for gpu in range(tab[N_GPU]):
        settle(m, tab, gpu, now)
        at = tab[O_GPU] + gpu * GPU
        gpu_busy[tab[tab[A_GPU] + gpu * P_WORDS + P_DEVICE]] += m[at + GPU_BUSY] - m[at + GPU_SEEN]
    for link in range(2 * tab[N_DEVICE]):
        state = tab[O_LINK] + link * LINK
        rate, _ = rate_at(m, tab, plan, link, now)
        links[link] = rate
        links[rows + link] = m[state + LINK_BYTES]
        if m[state + LINK_CUR] != NIL and m[state + LINK_START] < now:
            m[state + LINK_BUSY] += now - m[state + LINK_START]
            m[state + LINK_START] = now
        links[2 * rows + link] = m[state + LINK_BUSY]
