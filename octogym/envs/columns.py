"""Columns of the arrays that `kernels` reads and writes."""

from __future__ import annotations

from octogym.cluster import observation

OBSERVATION = observation.OBSERVATION
RATE_UNIT, RATE_CAP = observation.RATE_UNIT, observation.RATE_CAP
QUEUE_UNIT = observation.QUEUE_UNIT
SLO_UNIT, SLO_CAP = observation.SLO_UNIT, observation.SLO_CAP

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
