"""Runs are recorded whole, without holding up a step, and whatever ends them."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from dataclasses import fields

import numpy as np
import pytest

pytest.importorskip("numba")
pytest.importorskip("pyarrow")

from octogym.bridge import recorder, recording
from octogym.bridge.recorder import RecordingBackend
from octogym.bridge.recording import Recording, RecordingError, groups_of
from octogym.cluster.decision import Decision
from octogym.cluster.fingerprint import fingerprint
from octogym.cluster.registry import load_scenario
from octogym.cluster.telemetry import Telemetry
from octogym.sim import SimBackend
from octogym.testing.decisions import random_decision


@pytest.fixture(scope="module")
def scenario():
    return load_scenario("traffic-2")


class Telling(SimBackend):
    """A simulator that says of agents what a rack would, other words in each window."""

    def __init__(self, scenario):
        super().__init__(scenario)
        self._window = 0

    def step(self, decision):
        self._window += 1
        return super().step(decision)

    def agent_facts(self):
        S, k = self.cluster.S, self._window
        return {
            "late": np.full((1, S), k),
            "missed": np.arange(S)[None] + k,
            "fault": np.array([["", "STALE", f"own-{k}", "", ""]], object),
            "safe_active": np.arange(S)[None] % 2 == k % 2,
            "window_s": np.full((1, S), k / 3),
            "acted_window": np.full((1, S), k - 1),
        }


def play(backend, steps, seed):
    """Decisions, telemetry and facts; the first telemetry is the reset's."""
    seen = [(None, backend.reset(seed).copy(), None)]
    for k in range(steps):
        decision = random_decision(backend.cluster, np.array([seed]), k)
        t = backend.step(decision).copy()
        facts = backend.agent_facts() if hasattr(backend, "agent_facts") else None
        seen.append((decision.copy(), t, facts))
        decision.batch[:] = 1  # a caller may use its arrays again
    return seen


def assert_same(one, two):
    for item in fields(Telemetry):
        a, b = getattr(one, item.name), getattr(two, item.name)
        assert a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes(), item.name


def test_what_was_recorded_is_read_again_byte_for_byte(scenario, tmp_path, monkeypatch):
    monkeypatch.setattr(recorder, "GROUP_ROWS", 7)
    file = tmp_path / "new" / "run.parquet"
    backend = RecordingBackend(Telling(scenario), file, {"policies": ["random"]})
    wanted = [play(backend, 11, 5), play(backend, 9, 6)]
    backend.close()
    assert sorted(path.name for path in file.parent.iterdir()) == ["run.parquet"]
    read = Recording(file)
    assert read.episodes == ((5, 11), (6, 9))
    assert read.about.scenario == "traffic-2" and read.about.note == {"policies": ["random"]}
    assert fingerprint(read.cluster) == fingerprint(scenario.cluster) and read.cluster == scenario.cluster
    for episode, steps in enumerate(wanted):
        for k, (decision, t, facts) in enumerate(steps):
            row = read.row(episode, k)
            assert_same(row.telemetry(), t)
            if decision is not None:
                for name in Decision.FIELDS:
                    np.testing.assert_array_equal(getattr(row.decision(), name), getattr(decision, name))
                for name, values in facts.items():
                    np.testing.assert_array_equal(row.facts()[name], values, err_msg=name)


def test_only_numbers_are_in_the_columns(scenario, tmp_path):
    import pyarrow as pa

    backend = RecordingBackend(Telling(scenario), tmp_path / "run.parquet")
    play(backend, 2, 0)
    backend.close()
    for column in pa.parquet.read_schema(tmp_path / "run.parquet"):
        kind = column.type.value_type if hasattr(column.type, "value_type") else column.type
        assert pa.types.is_integer(kind) or pa.types.is_floating(kind), column


def test_a_process_that_is_killed_takes_at_most_the_last_group(tmp_path):
    program = (
        "import os, sys, time\n"
        "from octogym.bridge import recorder\n"
        "from octogym.cluster.decision import Decision\n"
        "from octogym.cluster.registry import load_scenario\n"
        "from octogym.sim import SimBackend\n"
        "recorder.GROUP_ROWS = 10\n"
        "backend = recorder.RecordingBackend(SimBackend(load_scenario('traffic-2')), sys.argv[1])\n"
        "backend.reset(4)\n"
        "for _ in range(36):\n"
        "    backend.step(Decision.keep(backend.cluster))\n"
        "while backend._written < 30:\n"
        "    time.sleep(0.01)\n"
        "os._exit(9)\n"
    )
    file = tmp_path / "run.parquet"
    assert subprocess.run([sys.executable, "-c", program, str(file)], check=False).returncode == 9
    assert not file.exists()
    assert Recording(file).episodes == ((4, 29),)  # the reset's row and 29 of 36
    with pytest.raises(RecordingError, match=r"run\.parquet\.groups: is there already"):
        RecordingBackend(SimBackend(load_scenario("traffic-2")), file)


def test_a_disk_that_stands_still_holds_up_no_step(scenario, tmp_path, monkeypatch):
    stuck, write = threading.Event(), recorder.write_group

    def slow(*arguments):
        assert stuck.wait(30)
        write(*arguments)

    monkeypatch.setattr(recorder, "write_group", slow)
    monkeypatch.setattr(recorder, "GROUP_ROWS", 4)
    monkeypatch.setattr(recorder, "WAITING_ROWS", 10)
    backend = RecordingBackend(SimBackend(scenario), tmp_path / "run.parquet")
    begin = time.monotonic()
    play(backend, 30, 0)
    assert time.monotonic() - begin < 20 and "does not keep up" in backend.problem
    stuck.set()
    with pytest.raises(RecordingError, match=r"not whole: the disk does not keep up: 10 rows .* rows are in"):
        backend.close()
    read = Recording(tmp_path / "run.parquet")  # what was written is the run's beginning
    assert read.episodes[0][0] == 0 and 10 <= read.episodes[0][1] < 30


def test_a_disk_that_is_full_ends_the_recording_and_not_the_run(scenario, tmp_path, monkeypatch):
    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(recorder, "write_group", full)
    monkeypatch.setattr(recorder, "GROUP_ROWS", 2)
    backend = RecordingBackend(SimBackend(scenario), tmp_path / "run.parquet")
    assert len(play(backend, 12, 0)) == 13
    with pytest.raises(RecordingError, match="No space left"):
        backend.close()
    backend.close()


def test_groups_are_written_in_time_also_where_windows_are_long(scenario, tmp_path, monkeypatch):
    monkeypatch.setattr(recorder, "GROUP_S", 0.05)
    backend = RecordingBackend(SimBackend(scenario), tmp_path / "run.parquet")
    play(backend, 2, 0)
    end = time.monotonic() + 20
    while not list(groups_of(tmp_path / "run.parquet").glob("*.parquet")) and time.monotonic() < end:
        time.sleep(0.01)
    assert Recording(tmp_path / "run.parquet").episodes
    backend.close()


def test_nothing_recorded_leaves_nothing(scenario, tmp_path):
    backend = RecordingBackend(SimBackend(scenario), tmp_path / "run.parquet")
    backend.close()
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_recorded_or_read_is_said(scenario, tmp_path):
    import pyarrow as pa

    file = tmp_path / "run.parquet"
    with pytest.raises(RecordingError, match="num_envs = 2; allowed: 1"):
        RecordingBackend(SimBackend(scenario, 2), file)
    with pytest.raises(RecordingError, match="no such file"):
        Recording(file)
    file.write_text("something else")
    with pytest.raises(RecordingError, match="no Parquet file"):
        Recording(file)
    with pytest.raises(RecordingError, match="is there already"):
        RecordingBackend(SimBackend(scenario), file)
    pa.parquet.write_table(pa.table({"x": [1]}), file)
    with pytest.raises(RecordingError, match="no recording of octogym's"):
        Recording(file)
    for metadata, words in ((b'{"format": 99}', "format 99; this octogym reads"), (b"[]", "cannot be read")):
        pa.parquet.write_table(pa.table({"x": [1]}).replace_schema_metadata({recording.METADATA: metadata}), file)
        with pytest.raises(RecordingError, match=words):
            Recording(file)
