"""The instances that nobody learns: a named policy decides for them."""

from __future__ import annotations

import numpy as np

from octogym.cluster.backend import Policy
from octogym.cluster.decision import Decision
from octogym.cluster.settings import KEEP
from octogym.envs.core import BatchingCore
from octogym.envs.frame import Frame
from octogym.envs.seat import Seat


class Others:
    """Runs a policy on every instance of `core` but `column`, in all environments at once.

    Args:
        policy: a name (`octogym.make_policy`), a `Policy`, or None: nobody decides, the instances keep their initial
            settings until those expire (docs/contract.md 2), then their safe ones.
        column: the instance that the environment's agent decides for.

    Raises:
        ValueError: `policy` is none of these, or its `period_s` is no multiple of the window.
    """

    def __init__(self, core: BatchingCore, policy: str | Policy | None, column: int) -> None:
        self._core, self._column = core, column
        self._seat = None if policy is None else Seat(policy, core.cluster, core.E, np.array([column]))

    def reset(self, seed: int | None) -> None:
        """A new episode in all environments; None goes on from the last seed."""
        if self._seat is not None:
            self._seat.reset(seed)

    def decide(self) -> None:
        """Put the policy's decision into the core's."""
        if self._seat is None:
            return
        patch = self._seat.ask(self._core.view())
        self._core.adopt(self._seat.merger.merge([patch]))
        self._free(self._core.decision)

    def learn(self, frame: Frame) -> None:
        """Give the policy its reward, once per decision of its own."""
        if self._seat is not None:
            self._seat.pay(frame.reward, self._core.view(), frame.truncated is not None)

    def _free(self, decision: Decision) -> None:
        for name in ("active", "pack", "batch", "pre", "post", "timeout_ns"):
            getattr(decision, name)[:, self._column] = KEEP
