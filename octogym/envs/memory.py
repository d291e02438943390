"""What the compiled loops of `kernels` keep between the steps, and where they find it."""

from __future__ import annotations

import numpy as np

from octogym.cluster.decision import Decision
from octogym.cluster.rate import SPANS_S
from octogym.cluster.reward import LEAST_RATE, THROUGHPUT_CAP, FcpoReward
from octogym.cluster.settings import THREAD_ACTIONS
from octogym.cluster.telemetry import BINS
from octogym.cluster.topology import Cluster
from octogym.envs import columns as k
from octogym.envs.addresses import AT, Addresses
from octogym.envs.frame import Frame
from octogym.envs.loops import Loops
from octogym.envs.plain import ARRAY, INT64

_OBSERVATION, _REWARD, _VALUES = AT.observation, AT.reward, AT.values


class Memory:
    """Arrays of E environments with S instances: `present` bool [E, S], whose device is there; `clock` int64 [E],
    windows since the reset; `last` float32 [E, S, 8], observations; `leaf_sum` uint32 [E, BINS], latencies of the
    episode's results; `reward_sum` float64 [E], of the episode; `columns` int64 [S], all instances; `flat` int64
    [3 S], the actions of one environment; `stepping` int8 [E]: all of them STEP.

    Args:
        decision: what is decided is written to; its arrays must stay its own.
        accepted, sizes: int64 [S, 3] of `octogym.envs.spaces`; fixed: int64 [S, FIXED] (`columns`).
        refresh_s: how often rates are renewed.
    """

    def __init__(
        self,
        cluster: Cluster,
        decision: Decision,
        accepted: np.ndarray,
        sizes: np.ndarray,
        fixed: np.ndarray,
        weights: FcpoReward,
        refresh_s: int,
    ) -> None:
        E, S = decision.pack.shape
        second, period = 1_000_000_000, cluster.period_ns
        spans = np.array([max(1, -(-span * second // period)) for span in SPANS_S], np.int64)
        counts = {"E": E, "S": S, "D": cluster.D, "C": cluster.C, "B": BINS, "K": int(spans.max()) + 1, "M": len(spans)}
        counts.update(T=len(THREAD_ACTIONS), F=k.FIXED, N=6, O=k.OBSERVATION)
        counts.update(refresh=max(1, refresh_s * second // period), array_type=ARRAY, int64_type=INT64)
        here = np.ones((E, S), np.int8)
        self.present, self.clock = here.view(bool), np.zeros(E, np.int64)
        self.last = np.zeros((E, S, k.OBSERVATION), np.float32)
        self.leaf_sum, self.reward_sum = np.zeros((E, BINS), np.uint32), np.zeros(E)
        numbers = (weights.theta, weights.sigma, weights.phi, LEAST_RATE, THROUGHPUT_CAP, period / second)
        own = {
            **{"set_" + name: getattr(decision, name) for name in ("pack", "batch", "pre", "post")},
            "accepted": accepted,
            "sizes": sizes,
            "thread_actions": np.array(THREAD_ACTIONS, np.int64),
            "fixed": fixed,
            "numbers": np.array(numbers),
            "spans": spans,
            "here": here,
            "clock": self.clock,
            "ring": np.zeros((counts["K"], E, S), np.int64),
            "average": np.zeros((E, S)),
            "last": self.last,
            "leaf_sum": self.leaf_sum,
            "leaf_span": np.full((E, S, 2), BINS // 2),
            "reward_sum": self.reward_sum,
        }
        self.addresses = Addresses(counts, own)
        self.words, self.loops = self.addresses.words, Loops.of(self.addresses.at)
        self.columns, self.flat = np.arange(S, dtype=np.int64), np.zeros(3 * S, np.int64)
        self.words[AT.all], self.words[AT.flat] = id(self.columns), id(self.flat)
        self.stepping = np.full(E, k.STEP, np.int8)
        self.words[AT.todo] = id(self.stepping)

    def decide(self, actions: np.ndarray, columns: np.ndarray) -> int:
        """`kernels.decide` for contiguous int64 arrays [E * A * 3] and [A]."""
        words = self.words
        words[AT.actions], words[AT.columns], words[AT.count] = id(actions), id(columns), len(columns)
        return self.loops.decide()

    def show(self, frame: Frame) -> None:
        """Let observations find where they go."""
        words = self.words
        words[_OBSERVATION], words[_REWARD], words[_VALUES] = id(frame.eight), id(frame.reward), id(frame.values)

    def observe(self, todo: np.ndarray, frame: Frame) -> None:
        """`kernels.observe` for all environments, of which `todo` int8 [E] says what becomes."""
        self.show(frame)
        self.words[AT.todo] = id(todo)
        self.loops.observe()
        self.words[AT.todo] = id(self.stepping)
