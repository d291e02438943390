"""Where everything lives in the kernel's memory.

The kernel works on plain arrays: `m`, the state of one environment (int64 words), `cells`, its pool of requests,
batches and messages, `tab`,
what never changes in an episode, and `plan`, the environment's workload. This module names their words. A record's
field
is read as `m[record + FIELD]`; records of one kind lie one after the other.
"""

from __future__ import annotations

import numpy as np

from octogym.cluster.settings import MAX_THREADS


def _numbers(n):
    """0 to n - 1 as typed constants: Numba would compile a function anew for each Python integer it is called with."""
    return (np.int64(k) for k in range(n))


INF = np.int64(1 << 62)
NIL = np.int64(-1)
#: GPU work units per ns of a batch alone on its GPU; divisible by n (n + 9) / 10 for n = 1..8 (docs/contract.md 7).
WORK = 12252240
MAX_LANES = 8
#: Timers of which the earliest is found at once.
BLOCK = 8
#: Words of a line of the cache.
LINE = 8

# --- m: header of an environment -----------------------------------------------------------------------------------
(
    TIME,  # start of the window in progress, or its end when none is
    STATUS,
    PHASE,  # 0 = between windows, 1 = events, 2 = closing
    CURSOR,  # where closing the window goes on after the pool grew
    FREE,  # first free cell
    FREE_N,
    BURST,  # free cells that one event may need
    SEED_KEY,  # uint64 key of the environment's seed
    LOG_N,
    LOG_ROOM,  # lines the log has room for, 0 = none is kept
    N_CELLS,
    CELLS_USED,  # words of the cells that were in use at one time: lower ones are used first
    CALM,  # free cells from which on nothing can be the matter before the next event (`kernel.calm`)
) = range(13)
HEADER = 16

RUNNING_OK, NEED_CELLS, NEED_LOG, TRACE_ENDED, CLOCK_ENDED = range(5)

# --- m: instance records, the first section ---------------------------------------------------------------------------
(
    Q1_HEAD,
    Q1_TAIL,
    Q1_N,
    PRE_BUSY,
    FRAME_HEAD,
    FRAME_TAIL,
    FRAME_N,
    HAND_HEAD,
    HAND_TAIL,
    HAND_IMAGES,
    HAND_FRAMES,
    HAND_DUE,  # when the hand leaves whether full or not
    HAND_SINCE,  # when its oldest frame came
    Q3_HEAD,
    Q3_TAIL,
    Q3_N,
    INFER,  # batch that the inferencer holds
    IN_LANE,
    INFER_FREE,  # end of the inferencer's rest
    LINE_NEXT,  # next instance waiting for the same GPU
    Q4_HEAD,
    Q4_TAIL,
    Q4_N,
    POST_HIGH,  # post threads ever used
    PRE_HIGH,
    IN_ORDER,  # pre threads if whole runs pass them in order (intake), else 0
    IN_STAGE,
    ACTIVE,
    PACK,
    BATCH,
    PRE,
    POST,
    TIMEOUT,
    ASKED_PRE,  # pair asked for by the last decision, NIL if none
    ASKED_POST,
    SHOWN_PRE,  # last pair asked for, as telemetry shows it
    SHOWN_POST,
    KEPT,  # decisions in a row that kept everything
    SET_BY,
    PRE_TIME,  # stretched, ns
    POST_TIME,
    ARRIVED,
    EXECUTED,
    COMPLETED,
    ON_TIME,
    DROPPED_FULL,
    DROPPED_LATE,
    DROPPED_OUT,
    FAILED,
    LOST,
    HIST_LOW,  # touched bins of the window's histograms
    HIST_HIGH,
    LEAF_LOW,
    LEAF_HIGH,
    LAST_COUNTS,  # the nine counters at the window's start
) = _numbers(55)
COUNTS = 9
#: Thread k's words lie at THREAD x k, what its stages use together in one cache line.
THREAD = 8
PRE_DONE = LAST_COUNTS + COUNTS  # completion time, INF = idle
PRE_ITEM = PRE_DONE + 1
POST_WAKE = PRE_DONE + 2  # next completion, or end of rest
POST_BATCH = PRE_DONE + 3
POST_ITEM = PRE_DONE + 4
LATENCY = PRE_DONE + 5  # weighted average, NIL = no sample
POST_NEXT = PRE_DONE + 6  # of thread 0: the thread that the instance's timer is for
INST = PRE_DONE + THREAD * MAX_THREADS  # words of a record

# --- m: other records ------------------------------------------------------------------------------------------------
GROUP_N, GROUP_Q5, GROUP_KEPT, GROUP = 0, 1, 2, 4
ROUTE_COUNT, ROUTE_HEAD, ROUTE_TAIL, ROUTE_N, ROUTE_SHARE, ROUTE_CREDIT, ROUTE = 0, 1, 2, 3, 4, 5, 6
GPU_N, GPU_HEAD, GPU_TAIL, GPU_LAST, GPU_BUSY, GPU_SEEN = range(6)
GPU_INST = 8  # [MAX_LANES]
GPU_WORK = GPU_INST + MAX_LANES
GPU = GPU_WORK + MAX_LANES
(
    LINK_HEAD,
    LINK_TAIL,
    LINK_CUR,
    LINK_START,
    LINK_BYTES,
    LINK_BUSY,
    LINK_PIECE,
    LINK_SEGMENT,
    LINK_INBOX,  # messages from earlier domains, not yet in order
    LINK_INBOX_TAIL,
    LINK,
) = range(11)
(
    CAM_K,
    CAM_SEGMENT,
    CAM_PHASE,
    CAM_FRAMES,
    CAM_OBJECTS,
    CAM_GENERATED,
    CAM_ON_TIME,
    CAM_LATE,
    CAM_DROPPED,
    CAM_MISSED,
    CAM_LOST,
    CAM_OVERDUE,
    CAM_OBJECT_KEY,
    CAM_ROUNDING_KEY,
) = _numbers(14)
CAM_LAST = 14  # [8] the counters from CAM_FRAMES on at the window's start
CAM = CAM_LAST + 8

# --- cells -----------------------------------------------------------------------------------------------------------
CELL = 8
NEXT = 0
#: A run: RUN_N requests that share everything but their index among the crops of one image. Their keys are
#: fold(RUN_KEY, index),
#: index = RUN_INDEX + j x RUN_STEP. A frame is a run of one with step 0, key RUN_KEY, and its objects in RUN_INDEX.
RUN_BIRTH, RUN_ARRIVE, RUN_KEY, RUN_INDEX, RUN_STEP, RUN_N = 1, 2, 3, 4, 5, 6
RUN_OWNER = 7  # leaves of each request << 16 | camera
MAX_CAMERAS = 1 << 16
#: Threshold of a draw that is always below it.
ALWAYS = 1 << 53
BATCH_HEAD, BATCH_IMAGES, BATCH_FRAMES, BATCH_PACK = 1, 2, 3, 4
MSG_HEAD, MSG_TAIL, MSG_N, MSG_GROUP, MSG_TARGET, MSG_BYTES, MSG_ENTER = 1, 2, 3, 4, 5, 6, 7
#: Classes per frame: their counts share one word.
MAX_CLASSES = 4
MAX_OBJECTS = 65535

# --- log of finished requests (tests)
# -----------------------------------------------------------------------------------
LOG = 6
FATE_COMPLETED, FATE_FULL, FATE_LATE, FATE_LOST, FATE_OUT = _numbers(5)
#: Kinds of service in the keys of exponential times; whether a request passes a receiver; time 0.
KIND_PRE, KIND_INFER, KIND_POST = _numbers(3)
CHECKED = np.bool_(True)
ZERO, ONE = _numbers(2)

# --- tab: header
# ---------------------------------------------------------------------------------------------------------
(
    N_INST,
    N_GROUP,
    N_ROUTE,
    N_DEVICE,
    N_GPU,
    N_CAM,
    N_CLASS,
    O_GROUP,  # offsets of the sections of m
    O_ROUTE,
    O_GPU,
    O_LINK,
    O_CAM,
    O_PRESENT,
    N_DOMAIN,
    A_DOMAIN,
    A_ENTITY,
    A_INST,  # offsets of the tables in tab
    A_GROUP,
    A_ROUTE,
    A_GPU,
    A_DEVICE,
    A_CAM,
    A_STAGE,
    A_SERIES,
    A_RATE,
    PERIOD,
    LATENCY_NS,
    LAZY,
    PAUSE,
    CONTENTION,
    EXP_PRE,
    EXP_INFER,
    EXP_POST,
    POISSON,
    TIJDEMAN,
    SETTINGS_VALID,
    SHARES_VALID,
    COUNTS_END,
    RATES_END,
    ENTITY_BITS,
    NEVER,  # a time that no event reaches
) = range(41)
TAB_HEADER = 48
(
    I_DEVICE,
    I_GPU,
    I_STAGE,
    I_FIRST,
    I_LEAF,
    I_PRE_NS,
    I_POST_NS,
    I_INFER,  # offset of infer_ns[0]
    I_CAP1,
    I_CAP3,
    I_CAP4,
    I_LATE_AFTER,  # age at arrival above which a request is dropped
    I_GOOD_AGE,  # age at completion up to which it is on time
    I_SLO,
    I_LEAD,  # time before the SLO at which deadline batching lets a batch go, less 1.2 (infer + post)
    I_GROUPS,  # offset of the list of its groups
    I_N_GROUPS,
    I_RECALL,  # [4] thresholds by pack
    I_INITIAL,  # [5]
    I_SAFE,  # [5]
    I_ACTIVE,
) = (*range(17), 17, 21, 26, 31)
I_WORDS = 32
# last: leaves of each of a group's crops where that is fixed, else -1; whether nothing is drawn by their keys
G_SOURCE, G_STAGE, G_CLASS, G_BYTES, G_LOW, G_HIGH, G_DEVICE, G_CAP5, G_FIXED, G_KEYLESS, G_WORDS = range(11)
R_TARGET, R_DEVICE, R_SHARE, R_GROUP, R_WORDS = range(5)
P_LANES, P_DEVICE, P_WORDS = range(3)  # GPUs
D_CORES, D_DOMAIN, D_WORDS = range(3)
# domains: their timers' offset in m and number of words, their devices; where an entity's word lies
X_TREE, X_NODES, X_DEVICES, X_N_DEVICES, X_WORDS = range(5)
E_TREE, E_NODE, E_WORDS = range(3)
C_DEVICE, C_STAGE, C_FPS, C_BYTES, C_SLO, C_GROUP, C_WORDS = range(7)
S_FIRST, S_LEAF, S_EDGES, S_N_EDGES, S_CHILDREN, S_N_CHILDREN, S_FIXED, S_WORDS = range(8)
# series and rate rows
Q_AT, Q_LENGTH, Q_RATE, Q_STRIDE, Q_WORDS = range(5)
L_TIMES, L_RATES, L_LENGTH, L_END, L_WORDS = range(5)

# --- plan
# ------------------------------------------------------------------------------------------------------------------
PLAN_CAMERA_K, PLAN_LINK_K, PLAN_ABSENT_K, PLAN_HEADER = 0, 1, 2, 4
PLAN_SEGMENT = 4  # words of a camera's segment: start, series, offset, factor
