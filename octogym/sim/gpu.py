"""Inferencers on shared GPUs: lanes, the line in front of them, processor sharing (docs/contract.md 4 and 7)."""

from __future__ import annotations

from octogym.sim.division import quotient
from octogym.sim.intake import advance_pre
from octogym.sim.jit import small
from octogym.sim.keys import exponential
from octogym.sim.layout import (
    A_GPU,
    A_INST,
    BATCH_FRAMES,
    BATCH_HEAD,
    BATCH_IMAGES,
    CONTENTION,
    EXECUTED,
    EXP_INFER,
    GPU,
    GPU_BUSY,
    GPU_HEAD,
    GPU_INST,
    GPU_LAST,
    GPU_N,
    GPU_TAIL,
    GPU_WORK,
    HEADER,
    I_GPU,
    I_INFER,
    I_STAGE,
    I_WORDS,
    IN_LANE,
    INF,
    INFER,
    INFER_FREE,
    INST,
    KIND_INFER,
    LINE_NEXT,
    N_INST,
    NEXT,
    NIL,
    O_GPU,
    P_LANES,
    P_WORDS,
    PAUSE,
    Q3_HEAD,
    Q3_N,
    WORK,
    ZERO,
)
from octogym.sim.post import batch_to_post
from octogym.sim.runs import request_key
from octogym.sim.starting import ready_timer, schedule_start
from octogym.sim.timers import set_timer


@small
def speed(tab, n):
    """Work that each of n batches in service loses per ns."""
    if n <= 1 or not tab[CONTENTION]:
        return WORK
    return WORK * 10 // (n * (n + 9))


@small
def settle(m, tab, gpu, now):
    """Account for the work done since the last change."""
    state = tab[O_GPU] + gpu * GPU
    n = m[state + GPU_N]
    past = now - m[state + GPU_LAST]
    m[state + GPU_LAST] = now
    if n > 0 and past > 0:
        m[state + GPU_BUSY] += past
        done = past * speed(tab, n)
        for k in range(n):
            m[state + GPU_WORK + k] -= done


@small
def schedule_gpu(m, tab, gpu, now):
    """Timer of the GPU's next completion."""
    state = tab[O_GPU] + gpu * GPU
    n = m[state + GPU_N]
    time = INF
    if n > 0:
        least = m[state + GPU_WORK]
        if n == 1:
            time = now + quotient(max(0, least + WORK - 1), WORK)
        else:
            for k in range(1, n):
                least = min(least, m[state + GPU_WORK + k])
            rate = speed(tab, n)
            time = now + quotient(max(0, least + rate - 1), rate)
    set_timer(m, tab, tab[N_INST] + gpu, time)


@small
def start_inference(m, cells, tab, gpu, s, now):
    """Instance s gets a lane. The GPU's books must be settled."""
    i, state = HEADER + s * INST, tab[O_GPU] + gpu * GPU
    batch = m[i + INFER]
    a = tab[A_INST] + s * I_WORDS
    time = tab[tab[a + I_INFER] + cells[batch + BATCH_FRAMES] - 1]
    if tab[EXP_INFER]:
        time = exponential(request_key(cells, cells[batch + BATCH_HEAD], ZERO), tab[a + I_STAGE], KIND_INFER, time)
    n = m[state + GPU_N]
    m[state + GPU_INST + n] = s
    m[state + GPU_WORK + n] = time * WORK
    m[state + GPU_N] = n + 1
    m[i + IN_LANE] = 1
    m[i + EXECUTED] += cells[batch + BATCH_IMAGES]


@small
def batch_start(m, cells, tab, log, s, now):
    """The inferencer's timer: it takes a batch if there is one by now, and asks for a lane."""
    i = HEADER + s * INST
    advance_pre(m, cells, tab, log, s, now)
    if m[i + Q3_N] == 0 or m[i + INFER] != NIL or m[i + INFER_FREE] > now:
        schedule_start(m, tab, s, now)
        return
    batch = m[i + Q3_HEAD]
    m[i + Q3_HEAD] = cells[batch + NEXT]
    m[i + Q3_N] -= 1
    cells[batch + NEXT] = NIL
    m[i + INFER] = batch
    set_timer(m, tab, ready_timer(tab, s), INF)
    gpu = tab[tab[A_INST] + s * I_WORDS + I_GPU]
    state = tab[O_GPU] + gpu * GPU
    if m[state + GPU_N] < tab[tab[A_GPU] + gpu * P_WORDS + P_LANES]:
        settle(m, tab, gpu, now)
        start_inference(m, cells, tab, gpu, s, now)
        schedule_gpu(m, tab, gpu, now)
        return
    m[i + LINE_NEXT] = NIL
    if m[state + GPU_HEAD] == NIL:
        m[state + GPU_HEAD] = s
    else:
        m[HEADER + m[state + GPU_TAIL] * INST + LINE_NEXT] = s
    m[state + GPU_TAIL] = s


@small
def inference_done(m, cells, tab, hist, log, gpu, now):
    """A batch completes: the next in line starts, the batch goes to post-processing, the inferencer rests."""
    state = tab[O_GPU] + gpu * GPU
    settle(m, tab, gpu, now)
    n = m[state + GPU_N]
    slot = NIL
    for k in range(n):
        if m[state + GPU_WORK + k] <= 0 and (slot == NIL or m[state + GPU_INST + k] < m[state + GPU_INST + slot]):
            slot = k
    s = m[state + GPU_INST + slot]
    m[state + GPU_INST + slot] = m[state + GPU_INST + n - 1]
    m[state + GPU_WORK + slot] = m[state + GPU_WORK + n - 1]
    m[state + GPU_N] = n - 1
    if m[state + GPU_HEAD] != NIL:
        waiting = m[state + GPU_HEAD]
        m[state + GPU_HEAD] = m[HEADER + waiting * INST + LINE_NEXT]
        start_inference(m, cells, tab, gpu, waiting, now)
    schedule_gpu(m, tab, gpu, now)
    i = HEADER + s * INST
    batch = m[i + INFER]
    m[i + INFER] = NIL
    m[i + IN_LANE] = 0
    m[i + INFER_FREE] = now + tab[PAUSE]
    if m[i + Q3_N] == 0:
        advance_pre(m, cells, tab, log, s, now)
    schedule_start(m, tab, s, now)
    batch_to_post(m, cells, tab, hist, log, s, batch, now)
