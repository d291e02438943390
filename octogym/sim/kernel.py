"""The event loop: one environment, one window."""

from __future__ import annotations

from octogym.sim.absence import update_presence
from octogym.sim.cameras import camera_frame
from octogym.sim.closing import begin_window, report_cameras, report_devices, report_instances
from octogym.sim.decide import set_instance, set_shares, stretch
from octogym.sim.forward import post_event
from octogym.sim.gpu import batch_start, inference_done
from octogym.sim.intake import advance_pre
from octogym.sim.jit import inline, jit, small
from octogym.sim.layout import (
    A_DOMAIN,
    A_INST,
    BURST,
    CURSOR,
    FREE_N,
    I_LEAF,
    I_WORDS,
    LOG_N,
    LOG_ROOM,
    N_CAM,
    N_DEVICE,
    N_DOMAIN,
    N_GPU,
    N_INST,
    NEED_CELLS,
    NEED_LOG,
    PERIOD,
    PHASE,
    RUNNING_OK,
    STATUS,
    TIME,
    X_DEVICES,
    X_N_DEVICES,
    X_TREE,
    X_WORDS,
)
from octogym.sim.links import downlink_done, open_inbox, uplink_done
from octogym.sim.post import advance_leaf


@small
def short_of(m):
    """What must grow before the next event: NEED_CELLS, NEED_LOG, or nothing."""
    if m[FREE_N] < m[BURST]:
        return NEED_CELLS
    if m[LOG_ROOM] > 0 and m[LOG_N] + m[BURST] > m[LOG_ROOM]:
        return NEED_LOG
    return RUNNING_OK


@inline
def run_events(m, cells, tab, plan, hist, log, start, until):
    """Events up to `until`, included, domain by domain; stops early with a status if something must grow or a trace
    has ended."""
    gpus = tab[N_INST]
    uplinks = gpus + tab[N_GPU]
    downlinks = uplinks + tab[N_DEVICE]
    cameras = downlinks + tab[N_DEVICE]
    starts = cameras + tab[N_CAM]
    for domain in range(m[CURSOR], tab[N_DOMAIN]):
        m[CURSOR] = domain
        at = tab[A_DOMAIN] + domain * X_WORDS
        for k in range(tab[at + X_N_DEVICES]):
            open_inbox(m, cells, tab, plan, tab[tab[at + X_DEVICES] + k], start)
        root = tab[at + X_TREE] + 2
        while m[root] <= until:
            now, entity = m[root], m[root + 1]
            status = short_of(m)
            if status != RUNNING_OK or m[STATUS] != RUNNING_OK:
                return max(status, m[STATUS])
            if entity >= starts:
                batch_start(m, cells, tab, log, entity - starts, now)
            elif entity >= cameras:
                camera_frame(m, cells, tab, plan, log, entity - cameras, now)
            elif entity >= downlinks:
                downlink_done(m, cells, tab, plan, log, entity - uplinks, now)
            elif entity >= uplinks:
                uplink_done(m, cells, tab, plan, log, entity - uplinks, now)
            elif entity >= gpus:
                inference_done(m, cells, tab, hist, log, entity - gpus, now)
            else:
                post_event(m, cells, tab, plan, hist, log, entity, now)
    return RUNNING_OK


@inline
def step_env(e, decision, m, cells, tab, plan, hist, log, out):
    """One window of environment e; returns a status, RUNNING_OK when it is complete. Called again it goes on where it
    was."""
    active, pack, batch, pre, post, timeout, share = decision
    counts, settings, queue, flags, shares, cameras, present, gpu_busy, cpu, links, times = out
    start = m[TIME]
    until = start + tab[PERIOD]
    if m[PHASE] == 0:
        begin_window(m, tab, hist)
        update_presence(m, cells, tab, plan, log, start)
        m[PHASE], m[CURSOR] = 1, 0
    if m[PHASE] == 1:
        for s in range(m[CURSOR], tab[N_INST]):
            m[CURSOR] = s
            status = short_of(m)
            if status != RUNNING_OK:
                return status
            set_instance(
                m,
                cells,
                tab,
                log,
                s,
                active[e, s],
                pack[e, s],
                batch[e, s],
                pre[e, s],
                post[e, s],
                timeout[e, s],
                start,
            )
        set_shares(m, tab, share[e])
        stretch(m, cells, tab, cpu[e], start)
        m[PHASE], m[CURSOR] = 2, 0
    if m[PHASE] == 2:
        status = run_events(m, cells, tab, plan, hist, log, start, until)
        if status != RUNNING_OK:
            return status
        m[PHASE], m[CURSOR] = 3, 0
    for s in range(m[CURSOR], tab[N_INST]):
        m[CURSOR] = s
        status = short_of(m)
        if status != RUNNING_OK:
            return status
        advance_pre(m, cells, tab, log, s, until)
        if tab[tab[A_INST] + s * I_WORDS + I_LEAF]:
            advance_leaf(m, cells, tab, hist, log, s, until)
    m[TIME], m[PHASE] = until, 0
    report_devices(m, tab, plan, e, present, gpu_busy, links, start, until)
    report_instances(m, tab, e, counts, settings, queue, flags, shares)
    report_cameras(m, cells, tab, e, cameras, until)
    times[0, e] = until
    times[1, e] = until - start
    return RUNNING_OK


#: The same as a function of its own: pasted into a parallel loop, Numba loses stores of it.
step_env_apart = jit(step_env.py_func)
