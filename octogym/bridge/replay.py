"""ReplayBackend: a recorded run behind the `Backend` protocol. The same decisions get the same telemetry again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from octogym.bridge.recording import Recording, RecordingError
from octogym.cluster.decision import Decision
from octogym.cluster.errors import OctoGymError
from octogym.cluster.fingerprint import fingerprint
from octogym.cluster.scenario import Scenario
from octogym.cluster.telemetry import Telemetry
from octogym.cluster.telemetry_layout import zeros
from octogym.cluster.topology import Cluster


class Diverged(OctoGymError):
    """A decision is not the recorded one, so nobody knows what would have come of it.

    `window`: of the episode, from 0; `field` of the decision and `index` in it; the `recorded` and the `given` value.
    """

    def __init__(self, window: int, field: str, index: int, recorded: int, given: int, cluster: Cluster) -> None:
        super().__init__(window, field, index, recorded, given, cluster)
        self.window, self.field, self.index = window, field, index
        self.recorded, self.given, self._cluster = recorded, given, cluster

    def __str__(self) -> str:
        cluster = self._cluster
        where = f"route {self.index}" if self.field == "share_milli" else cluster.instances[self.index].id
        return f"window {self.window}: {self.field} of {where}: recorded {self.recorded}, now {self.given}"


class ReplayBackend:
    """Gives a recording's telemetry, byte for byte, to whoever decides as it was decided then.

    `reset(seed)` begins the next episode that was recorded with this seed, `reset()` the next one; after the last comes
    the first. `agent_facts` is there if the recorded backend had it.

    Args:
        recording: a file of `RecordingBackend`, or what was read of one.
        scenario: to be used instead of the recording's own description; of the same cluster.
        first: the episode that comes first, from 0.

    Raises:
        RecordingError: no recording, or one of another cluster.
    """

    num_envs = 1

    def __init__(self, recording: str | Path | Recording, scenario: Scenario | None = None, first: int = 0) -> None:
        self.recording = recording if isinstance(recording, Recording) else Recording(recording)
        about = self.recording.about
        if scenario is None:
            from octogym.bridge.recorded_traces import recorded_scenario

            scenario = recorded_scenario(self.recording)
        elif fingerprint(scenario.cluster) != about.cluster_sha256:
            raise RecordingError(
                f"{self.recording.file}: recorded on {about.scenario}, whose cluster (sha256 "
                f"{about.cluster_sha256[:12]}...) is not that of {scenario.name}, given here; allowed: the same, none"
            )
        self.scenario, self.cluster = scenario, scenario.cluster
        self._telemetry = zeros(self.cluster)
        self._episode, self._next, self._step = -1, first, -1
        self._facts = self.recording.row(0, 0).facts()
        if self._facts is not None:
            self.agent_facts = self._agent_facts

    def reset(self, seed: Any = None, mask: np.ndarray | None = None, options: Any = None) -> Telemetry:
        """Begin an episode of the recording.

        Raises:
            ValueError: no episode has this seed, a mask of less than the one environment, or options that would change
                what was recorded.
        """
        if mask is not None and not (np.shape(mask) == (1,) and bool(np.all(mask))):
            raise ValueError(f"mask = {mask!r}; allowed: None or [True], as a recording is of one environment")
        unknown = sorted(set(options or ()) - {"horizon_s"})
        if unknown:
            raise ValueError(f"options {', '.join(unknown)}: a recording is as it is")
        episodes = self.recording.episodes
        coming = [(self._next + k) % len(episodes) for k in range(len(episodes))]
        if seed is not None:
            wanted = np.asarray(seed).reshape(-1)
            coming = [k for k in coming if wanted.shape == (1,) and episodes[k][0] == wanted[0]]
        if not coming:
            seeds = ", ".join(map(str, sorted({recorded for recorded, _ in episodes})))
            raise ValueError(f"seed = {seed!r}; recorded were {seeds}")
        self._episode, self._next, self._step = coming[0], coming[0] + 1, 0
        return self._show()

    def step(self, decision: Decision) -> Telemetry:
        """The next recorded window.

        Raises:
            Diverged: the decision is not the recorded one.
            RecordingError: the recorded episode is over.
            RuntimeError: before the first reset.
            ValueError: a decision of another shape.
        """
        if self._episode < 0:
            raise RuntimeError("ReplayBackend.step before reset")
        steps = self.recording.episodes[self._episode][1]
        if self._step == steps:
            raise RecordingError(f"{self.recording.file}: the recorded episode is over after {steps} windows")
        recorded = self.recording.row(self._episode, self._step + 1).decision()
        for name in Decision.FIELDS:
            given, wanted = np.asarray(getattr(decision, name)), getattr(recorded, name)
            if given.shape != wanted.shape:
                raise ValueError(f"decision.{name}: shape {given.shape}, expected {wanted.shape}")
            if not np.array_equal(given, wanted):
                at = int(np.flatnonzero(given[0] != wanted[0])[0])
                raise Diverged(self._step, name, at, int(wanted[0, at]), int(given[0, at]), self.cluster)
        self._step += 1
        return self._show()

    def close(self) -> None:
        """Nothing to release."""

    # --- inside -----------------------------------------------------------------------------------------------------

    def _show(self) -> Telemetry:
        row = self.recording.row(self._episode, self._step)
        self._facts = row.facts()
        return row.telemetry(self._telemetry)

    def _agent_facts(self) -> Mapping[str, np.ndarray]:
        assert self._facts is not None
        return {name: array.copy() for name, array in self._facts.items()}


def open_replay(
    scenario: Scenario | None = None, num_envs: int = 1, file: str | Path | None = None, **settings: Any
) -> ReplayBackend:
    """The backend "replay".

    Args:
        scenario: as `ReplayBackend`.
        num_envs: 1.
        file: the recording; needed.

    Raises:
        RecordingError: no file, several environments.
    """
    if file is None:
        raise RecordingError('backend "replay" needs a recording: backend="run.parquet", or file="run.parquet"')
    if num_envs != 1:
        raise RecordingError(f"num_envs = {num_envs}; allowed: 1, a recording is of one environment")
    return ReplayBackend(file, scenario, **settings)
