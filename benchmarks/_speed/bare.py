"""The least that a queue simulation can do: a bounded FIFO and a batch server with a time-out, nothing else.

Per step of one second about 150 requests arrive at each queue, out of a recorded series. The server takes up to
`batch` of them as soon as it is idle and either `batch` wait or the oldest has waited `timeout`; a batch of n takes
12 ms + n 3.5 ms. Counted: arrivals, drops, completions, those within 250 ms, the sum of latencies.
"""

from __future__ import annotations

import numba
import numpy as np

RATE = 150.0  # requests/s
ROOM = 256  # requests in a queue; a power of two
SLO_S = 0.25
SETUP_S, EACH_S = 0.012, 0.0035
BATCH = np.array([1, 2, 4, 8, 16, 32, 48, 64])
TIMEOUT_S = np.array([0.0, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.25])
SECONDS = 3000

ARRIVED, DROPPED, SERVED, ON_TIME = range(4)


@numba.njit(cache=True, error_model="numpy", boundscheck=False)
def replay(choice, series, now, following, ring, first, waiting, idle_at, counts, latency, batches, timeouts):
    """One second of every queue under `choice` int64 [N], an index into 8 batches x 8 time-outs."""
    for k in range(len(now)):
        batch, timeout = batches[choice[k] // 8], timeouts[choice[k] % 8]
        end, i, head, n = now[k] + 1.0, following[k], first[k], waiting[k]
        idle = max(idle_at[k], now[k])
        arrived = dropped = served = on_time = 0
        total = 0.0
        while True:
            if n >= batch:
                start = max(idle, ring[k, (head + batch - 1) & (ROOM - 1)])
            elif n > 0:
                start = max(idle, ring[k, head] + timeout)
            else:
                start = np.inf
            arrival = series[i]
            if arrival <= start and arrival < end:
                arrived += 1
                i += 1
                if n < ROOM:
                    ring[k, (head + n) & (ROOM - 1)] = arrival
                    n += 1
                else:
                    dropped += 1
            elif start < end:
                size = min(n, batch)
                idle = start + (SETUP_S + EACH_S * size)
                for _ in range(size):
                    spent = idle - ring[k, head]
                    total += spent
                    on_time += spent <= SLO_S
                    head = (head + 1) & (ROOM - 1)
                n -= size
                served += size
            else:
                break
        now[k], following[k], first[k], waiting[k], idle_at[k] = end, i, head, n, idle
        counts[k, ARRIVED] += arrived
        counts[k, DROPPED] += dropped
        counts[k, SERVED] += served
        counts[k, ON_TIME] += on_time
        latency[k] += total


class BareReplay:
    """`queues` independent queues; `step` takes one choice per queue."""

    def __init__(self, queues: int, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        gaps = rng.exponential(1 / RATE, int(SECONDS * RATE * 1.05))
        self._series = np.append(np.cumsum(gaps), np.inf)
        self._starts = rng.uniform(0, SECONDS / 4, queues)
        self.counts = np.zeros((queues, 4), np.int64)
        self._latency = np.zeros(queues)
        self.restart()

    def restart(self) -> None:
        """Empty queues at the beginning of the series; the counts go on."""
        n = len(self._starts)
        self._now, self._idle_at = self._starts.copy(), self._starts.copy()
        self._following = np.searchsorted(self._series, self._now)
        self._ring = np.zeros((n, ROOM))
        self._first, self._waiting = np.zeros(n, np.int64), np.zeros(n, np.int64)

    def step(self, choice: np.ndarray) -> None:
        queues = (self._ring, self._first, self._waiting, self._idle_at)
        out = (self.counts, self._latency)
        replay(choice, self._series, self._now, self._following, *queues, *out, BATCH, TIMEOUT_S)

    def left(self) -> int:
        """Requests that have left, served or dropped."""
        return int(self.counts[:, [DROPPED, SERVED]].sum())

    def choices(self, count: int, seed: int = 0) -> list[np.ndarray]:
        """`count` random inputs of `step`; at most about 2000 steps fit into the series."""
        rng = np.random.default_rng(seed)
        return list(rng.integers(0, len(BATCH) * len(TIMEOUT_S), (count, len(self._starts))))
