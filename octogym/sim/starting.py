"""When an instance's inferencer will have its next batch."""

from __future__ import annotations

from octogym.sim.in_order import done_at
from octogym.sim.jit import small
from octogym.sim.layout import (
    BATCH,
    EXP_PRE,
    FRAME_N,
    HAND_DUE,
    HAND_FRAMES,
    HEADER,
    INF,
    INFER,
    INFER_FREE,
    INST,
    N_CAM,
    N_DEVICE,
    N_GPU,
    N_INST,
    NIL,
    PACK,
    PRE,
    PRE_BUSY,
    PRE_DONE,
    PRE_HIGH,
    PRE_TIME,
    Q1_N,
    Q3_N,
    THREAD,
    TIMEOUT,
)
from octogym.sim.timers import set_timer


@small
def ready_timer(tab, s):
    """Entity number of the batch start of instance s."""
    return tab[N_INST] + tab[N_GPU] + 2 * tab[N_DEVICE] + tab[N_CAM] + s


@small
def batch_time(m, tab, s):
    """When a batch will enter Q3 if nothing more arrives, or a time before that at which to look again; INF = never.
    Pre-processing must be up to date."""
    i = HEADER + s * INST
    busy = m[i + PRE_BUSY]
    if busy == 0:
        return m[i + HAND_DUE]
    first, second, threads = INF, INF, 0
    for k in range(m[i + PRE_HIGH]):
        done = m[i + PRE_DONE + THREAD * k]
        if done < first:
            first, second = done, first
        elif done < second:
            second = done
    if m[i + TIMEOUT] < 0 or (m[i + TIMEOUT] > 0 and m[i + HAND_FRAMES] == 0):
        return min(first, m[i + HAND_DUE])  # the next image may be what sets when the hand is due
    need = (m[i + BATCH] - m[i + HAND_FRAMES]) * m[i + PACK] - m[i + FRAME_N]
    if need > busy + m[i + Q1_N]:
        return m[i + HAND_DUE]
    threads = m[i + PRE]
    service = m[i + PRE_TIME]
    full = first
    in_turn = threads == 1 or (threads == 2 and busy == 2 and second - first <= service)
    if in_turn and need > 1 and not tab[EXP_PRE] and m[i + PRE_HIGH] == threads:
        full = done_at(first, second, service, need, threads == 2)
    return min(full, m[i + HAND_DUE])


@small
def schedule_start(m, tab, s, now):
    """Set the timer of the inferencer's next batch."""
    i = HEADER + s * INST
    if m[i + INFER] != NIL:
        time = INF
    else:
        time = max(now, m[i + INFER_FREE])
        if m[i + Q3_N] == 0:
            time = max(time, batch_time(m, tab, s))
    set_timer(m, tab, ready_timer(tab, s), time)
