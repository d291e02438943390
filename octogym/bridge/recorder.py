"""RecordingBackend: any backend of one environment, with all that passes written to a file."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from octogym.bridge.recording import (
    About,
    Columns,
    RecordingError,
    groups_of,
    join,
    require_pyarrow,
    row_of,
    write_group,
)
from octogym.cluster.backend import Backend
from octogym.cluster.decision import Decision
from octogym.cluster.telemetry import Telemetry

#: A group of rows is written when it has so many, or its first is so old.
GROUP_ROWS, GROUP_S = 60, 10.0
#: Rows that may wait for the disk; with more the recording ends there.
WAITING_ROWS = 4096
#: What policies, environments and people ask a rack for beside `Backend`.
_PASSED_ON = ("address", "agent_facts", "facts", "roster", "tally")


class RecordingBackend:
    """Steps `backend`, and records decisions, telemetry and facts about agents in `file` (`bridge.recording`).

    A thread writes; `step` never waits for it. If the disk is full or too slow the run goes on, what was written stays,
    `problem` says why, and so does `close`.

    Args:
        backend: of one environment; `close` closes it.
        file: new; until `close` groups of rows lie in `FILE.groups`.
        note: whatever else the recording should say, plain values.

    Raises:
        RecordingError: `file` is there already, cannot be made, or the backend has several environments.
        MissingExtra: no pyarrow.
    """

    num_envs = 1

    def __init__(self, backend: Backend, file: str | Path, note: Mapping[str, Any] | None = None) -> None:
        if backend.num_envs != 1:
            raise RecordingError(f"num_envs = {backend.num_envs}; allowed: 1, a recording is of one environment")
        require_pyarrow()
        self.backend, self.file = backend, Path(file)
        self.scenario, self.cluster = backend.scenario, backend.cluster
        for path in (self.file, groups_of(self.file)):
            if path.exists():
                raise RecordingError(f"{path}: is there already; allowed: a new file")
        try:
            groups_of(self.file).mkdir(parents=True)
        except OSError as error:
            raise RecordingError(f"{groups_of(self.file)}: cannot be made: {error.strerror}") from error
        self._about = About.of(self.scenario, note or {})
        self._words = list(self._about.words)
        self._episode, self._step, self._seed = -1, 0, -1
        self._keep = Decision.keep(self.cluster)
        self.problem = ""
        self._waiting: queue.Queue[Columns | None] = queue.Queue(WAITING_ROWS)
        self._written = 0
        self._thread: threading.Thread | None = threading.Thread(target=self._run, name="octogym-recorder", daemon=True)
        self._thread.start()

    def reset(self, seed: Any = None, mask: np.ndarray | None = None, options: Any = None) -> Telemetry:
        t = self.backend.reset(seed, mask, options)
        self._seed = self._seed + 1 if seed is None else int(np.ravel(seed)[0])
        self._episode, self._step = self._episode + 1, 0
        self._add(self._keep, t)
        return t

    def step(self, decision: Decision) -> Telemetry:
        given = decision.copy()
        t = self.backend.step(decision)
        self._step += 1
        self._add(given, t)
        return t

    def close(self) -> None:
        """Close the backend and finish the file.

        Raises:
            RecordingError: the recording is not whole.
        """
        self.backend.close()
        if self._thread is None:
            return
        self._waiting.put(None)
        self._thread.join()
        self._thread = None
        if self._written and not self.problem:
            try:
                join(self.file)
            except Exception as error:  # whatever a disk can do
                self.problem = f"{error}"
        elif not self._written and not self.problem:
            groups_of(self.file).rmdir()
        if self.problem:
            where = groups_of(self.file)
            raise RecordingError(f"{self.file}: not whole: {self.problem}; {self._written} rows are in {where}")

    def __getattr__(self, name: str) -> Any:
        if name in _PASSED_ON:
            return getattr(self.backend, name)
        raise AttributeError(name)

    # --- inside -----------------------------------------------------------------------------------------------------

    def _add(self, decision: Decision, t: Telemetry) -> None:
        if self.problem or self._thread is None:
            return
        told = getattr(self.backend, "agent_facts", None)
        facts = told() if told is not None else {}
        row = row_of(self._episode, self._step, self._seed, decision, t, facts, self._words)
        try:
            self._waiting.put_nowait(row)
        except queue.Full:
            self.problem = f"the disk does not keep up: {WAITING_ROWS} rows were waiting"

    def _run(self) -> None:
        rows: list[Columns] = []
        due, number, going_on = 0.0, 0, True
        while going_on:
            late = False
            try:
                row = self._waiting.get(timeout=max(0.0, due - time.monotonic()) if rows else None)
                going_on = row is not None
                if row is not None:
                    due = due if rows else time.monotonic() + GROUP_S
                    rows.append(row)
            except queue.Empty:
                late = True
            if rows and (late or not going_on or len(rows) >= GROUP_ROWS):
                try:
                    self._about.words = list(self._words)
                    write_group(self.file, number, rows, self._about)
                except Exception as error:  # whatever a disk can do; the run goes on
                    self.problem = self.problem or f"{error}"
                    return
                self._written, number, rows = self._written + len(rows), number + 1, []
