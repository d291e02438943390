"""The event loop: one environment, one window."""

from __future__ import annotations

from octogym.sim.absence import update_presence
from octogym.sim.addresses import AT
from octogym.sim.cameras import camera_frame
from octogym.sim.closing import begin_window, report_cameras, report_devices, report_instances
from octogym.sim.decide import set_instance, set_shares, stretch
from octogym.sim.forward import post_event
from octogym.sim.gpu import batch_start, inference_done
from octogym.sim.intake import advance_pre
from octogym.sim.jit import jit, rarely, small
from octogym.sim.layout import (
    A_DOMAIN,
    A_INST,
    BURST,
    CALM,
    CELL,
    CELLS_USED,
    CLOCK_ENDED,
    CURSOR,
    FREE_N,
    I_LEAF,
    I_WORDS,
    INF,
    LOG_N,
    LOG_ROOM,
    N_CAM,
    N_CELLS,
    N_DEVICE,
    N_DOMAIN,
    N_GPU,
    N_INST,
    N_ROUTE,
    NEED_CELLS,
    NEED_LOG,
    NEVER,
    PERIOD,
    PHASE,
    RUNNING_OK,
    STATUS,
    TIME,
    X_DEVICES,
    X_N_DEVICES,
    X_WORDS,
)
from octogym.sim.links import downlink_done, open_inbox, uplink_done
from octogym.sim.pointers import (
    active_region,
    age_region,
    batch_region,
    cameras_region,
    counts_region,
    cpu_region,
    flags_region,
    gpu_busy_region,
    links_region,
    pack_region,
    post_region,
    pre_region,
    present_region,
    queue_region,
    settings_region,
    share_region,
    shares_region,
    timeout_region,
    times_region,
)
from octogym.sim.post import advance_leaf
from octogym.sim.timers import next_event


@small
def calm(m):
    """Whether the next event needs no look at what is short."""
    return m[FREE_N] >= m[CALM]


@jit
def short_of(m):
    """What must grow before the next event, or why there is none: a status. Notes until when it is `calm`."""
    rarely()
    m[CELLS_USED] = max(m[CELLS_USED], (m[N_CELLS] - m[FREE_N]) * CELL)
    if m[STATUS] != RUNNING_OK:
        return m[STATUS]
    if m[FREE_N] < m[BURST]:
        return NEED_CELLS
    if m[LOG_ROOM] == 0:
        m[CALM] = max(m[BURST], m[N_CELLS] - m[CELLS_USED] // CELL)
    elif m[LOG_N] + m[BURST] > m[LOG_ROOM]:
        return NEED_LOG
    return RUNNING_OK


@jit
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
        while True:
            now, entity = next_event(m, tab, at)
            if now > until:
                break
            if not calm(m):
                status = short_of(m)
                if status != RUNNING_OK:
                    return status
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


@jit
def step_env(e, where, m, cells, tab, plan, hist, log):
    """One window of environment e; returns a status, RUNNING_OK when it is complete. Called again it goes on where it
    was."""
    n, n_devices, first = where[AT.E], tab[N_DEVICE], e * tab[N_INST]
    active, timeout = active_region(where[AT.active], first), timeout_region(where[AT.timeout_ns], first)
    pack, batch = pack_region(where[AT.pack], first), batch_region(where[AT.batch], first)
    pre, post = pre_region(where[AT.pre], first), post_region(where[AT.post], first)
    start = m[TIME]
    until = start + tab[PERIOD]
    if until >= tab[NEVER]:
        return CLOCK_ENDED
    m[CALM] = INF
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
                active[s],
                pack[s],
                batch[s],
                pre[s],
                post[s],
                timeout[s],
                start,
            )
        set_shares(m, tab, share_region(where[AT.share_milli], e * tab[N_ROUTE]))
        stretch(m, cells, tab, cpu_region(where[AT.out_cpu], e * n_devices), start)
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
    report_devices(
        m,
        tab,
        plan,
        n * 2 * n_devices,
        present_region(where[AT.out_present], e * n_devices),
        gpu_busy_region(where[AT.out_gpu_busy], e * n_devices),
        links_region(where[AT.out_links], e * 2 * n_devices),
        start,
        until,
    )
    report_instances(
        m,
        tab,
        n * tab[N_INST],
        counts_region(where[AT.out_counts], first),
        settings_region(where[AT.out_settings], first),
        queue_region(where[AT.out_queue], 5 * first),
        flags_region(where[AT.out_flags], first),
        age_region(where[AT.out_age], first),
        shares_region(where[AT.out_shares], e * tab[N_ROUTE]),
    )
    n_cameras = tab[N_CAM]
    report_cameras(m, cells, tab, n * n_cameras, cameras_region(where[AT.out_cameras], e * n_cameras), until)
    times = times_region(where[AT.out_times], e)
    times[0] = until
    times[n] = until - start
    return RUNNING_OK
