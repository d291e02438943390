"""The experience buffer: keeps what is diverse, in order of time."""

from __future__ import annotations

from typing import Dict, Union

import numpy as np

from octogym.agents.onboard.config import IAgentConfig
from octogym.agents.onboard.diversity import Diversity
from octogym.agents.onboard.layout import STATE, Layout

#: Time stamp of an empty place: after all others.
NEVER = np.iinfo(np.int64).max


class Record:
    """Columns of one experience in a float32 array [..., width]: state, the heads' log-probabilities, the three action
    indices, value, reward."""

    def __init__(self, layout: Layout) -> None:
        end = STATE + layout.outputs
        self.sizes = layout.sizes
        self.state, self.log, self.actions = slice(0, STATE), slice(STATE, end), slice(end, end + 3)
        self.value, self.reward, self.width = end + 3, end + 4, end + 5


class ExperienceBuffer:
    """At most `capacity` experiences in each of N rows.

    While a row has room every experience is kept. A full row admits one whose diversity exceeds the threshold; it takes
    the place of the oldest, or (`replace="least-diverse"`) of the one that adds least to the others.
    """

    def __init__(self, layout: Layout, rows: int, config: IAgentConfig) -> None:
        record = self.record = Record(layout)
        self._config = config
        self.records: np.ndarray = np.zeros((rows, config.capacity, record.width), np.float32)
        self.time: np.ndarray = np.full((rows, config.capacity), NEVER, np.int64)
        self.count: np.ndarray = np.zeros(rows, np.int64)
        self._states = np.zeros((rows, config.capacity, STATE))
        self._full = np.zeros(rows, bool)
        self._fulls = 0
        self._diversity = Diversity(self._states, self.records[..., record.log], config.alpha, config.beta)

    def admits(self, state: np.ndarray, p: np.ndarray, log: np.ndarray) -> Union[np.ndarray, bool]:
        """bool [N], or one for all: whether to keep the experience of `state` [N, 8], probabilities `p` [N, outputs]
        and their logarithms."""
        if not self._fulls:
            return True
        diversity, threshold, full = self._diversity, self._config.threshold, self._full
        if len(full) == 1:
            return diversity.of_one(state[0], p[0], log[0]) > threshold
        if self._fulls == len(full):
            return diversity.score(None, state, p, log) > threshold
        rows = np.nonzero(full)[0]
        admitted = ~full
        admitted[rows] = diversity.score(rows, state[rows], p[rows], log[rows]) > threshold
        return admitted

    @property
    def any_full(self) -> bool:
        """Whether `admits` could say no."""
        return self._fulls > 0

    def put(self, rows: np.ndarray, new: np.ndarray, time: int) -> None:
        """Keep the records new [m, width] in rows intp [m], each once."""
        place = self.count[rows]
        if self._fulls:
            full = self._full[rows]
            crowded = rows[full]
            if self._config.replace == "oldest":
                place[full] = self.time[crowded].argmin(-1)
            elif len(crowded):
                place[full] = self._diversity.least(crowded)
            self.count[rows] += ~full
        else:
            self.count[rows] = place + 1
        self.records[rows, place] = new
        self._states[rows, place] = new[:, self.record.state]
        self.time[rows, place] = time
        self._diversity.stale[rows] = True
        self._recount()

    def ordered(self, rows: np.ndarray) -> np.ndarray:
        """float32 [m, C, width]: the records of rows in order of time, kept ones first."""
        order = np.argsort(self.time[rows], -1, kind="stable")
        return np.asarray(self.records[rows[:, None], order])

    def clear(self, rows: np.ndarray) -> None:
        """Empty the rows."""
        self.time[rows] = NEVER
        self.count[rows] = 0
        self._recount()

    def _recount(self) -> None:
        np.equal(self.count, self._config.capacity, self._full)
        self._fulls = int(np.count_nonzero(self._full))

    def arrays(self) -> Dict[str, np.ndarray]:
        """What has to be saved; loading writes into these very arrays, then calls `loaded`."""
        return {"records": self.records, "time": self.time, "count": self.count}

    def loaded(self) -> None:
        """The arrays have been written from outside."""
        self._states[...] = self.records[..., self.record.state]
        self._diversity.stale[:] = True
        self._recount()
