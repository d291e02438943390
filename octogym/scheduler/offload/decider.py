"""What decides in the scheduling loop: OctoCross, a rival, or nothing at all."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np

from octogym.cluster.offloading.layout import OffloadLayout
from octogym.scheduler.offload.sample import Sample


@runtime_checkable
class Decider(Protocol):
    """Turns samples into shares. One object serves all environments of a run, each for itself."""

    def reset(self, layout: OffloadLayout, num_envs: int, seed: int) -> None:
        """A run begins: forget what was seen."""

    def decide(self, sample: Sample, e: int) -> np.ndarray:
        """Shares of environment `e`, float64 [M, M]: entry (i, j) is the part of what i's cameras ask for that j works
        on. Rows sum to 1; rows of nodes without cameras and of those that are not there keep all. Only edges of the
        sample are used."""

    def state_dict(self) -> dict[str, np.ndarray]: ...

    def load(self, state: dict[str, np.ndarray]) -> None: ...


class LocalDecider:
    """Keeps everything where it is made. Without weights; the base of other deciders without weights."""

    def reset(self, layout: OffloadLayout, num_envs: int, seed: int) -> None:
        """Nothing to forget."""

    def decide(self, sample: Sample, e: int) -> np.ndarray:
        return np.eye(len(sample.names))

    def state_dict(self) -> dict[str, np.ndarray]:
        """Empty: there are no weights."""
        return {}

    def load(self, state: dict[str, np.ndarray]) -> None:
        """ValueError if there is anything to load."""
        if state:
            raise ValueError(f"{type(self).__name__} has no weights; given: {', '.join(sorted(state))}")
