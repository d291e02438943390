"""The format of a recorded run: one Parquet file, a row per reset and per step, numbers alone.

Columns are `episode`, `step` (0: the reset), `seed`, and lists named after the arrays that they hold: `decision.*` as
given to `step`, `telemetry.*` as returned, `facts.*` of `agent_facts()` where the backend has it. Histograms are
sparse: places and counts. The file's metadata say what the numbers are about: the cluster, and the words for faults.

While a run is recorded each group of rows is a file of its own in `FILE.groups`, so that whatever ends the process
takes at most the last group along; `join` makes the one file of them. `Recording` reads either.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from octogym.cluster.decision import Decision
from octogym.cluster.errors import MissingExtra, OctoGymError
from octogym.cluster.fingerprint import fingerprint
from octogym.cluster.options import SimOptions
from octogym.cluster.scenario import Scenario
from octogym.cluster.telemetry import Telemetry
from octogym.cluster.telemetry_layout import zeros
from octogym.cluster.topology import Cluster
from octogym.version import __version__

FORMAT = 1
METADATA = b"octogym.recording"
SPARSE = ("latency_hist", "leaf_hist")
#: Facts about instances, and how they are stored. Faults are numbers of words in the metadata.
FACTS: Mapping[str, Any] = {
    "late": np.int64,
    "missed": np.int64,
    "fault": np.int16,
    "safe_active": np.int8,
    "window_s": np.float64,
    "acted_window": np.int64,
}
_HEAD = ("episode", "step", "seed")

Columns = dict[str, np.ndarray]


class RecordingError(OctoGymError, ValueError):
    """A recording that cannot be written or read; the message names the file and what is wrong."""


@dataclass
class About:
    """What a recording says of itself. `words`: of faults, grown while recording. `note`: the recorder's own."""

    scenario: str
    description: str
    cluster: Cluster
    options: SimOptions
    synthetic_profiles: bool
    synthetic_traces: bool
    provenance: dict[str, str]
    cluster_sha256: str
    octogym: str = __version__
    format: int = FORMAT
    words: list[str] = field(default_factory=lambda: [""])
    note: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, scenario: Scenario, note: Mapping[str, Any]) -> About:
        return cls(
            scenario.name,
            scenario.description,
            scenario.cluster,
            scenario.options,
            scenario.synthetic_profiles,
            scenario.synthetic_traces,
            scenario.provenance,
            fingerprint(scenario.cluster),
            note=dict(note),
        )


def require_pyarrow() -> Any:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise MissingExtra("plot", "pyarrow") from error
    return pyarrow


def groups_of(file: Path) -> Path:
    """Where a recording's groups lie while it is being written."""
    return file.with_name(file.name + ".groups")


# --- writing --------------------------------------------------------------------------------------------------------


def row_of(
    episode: int,
    step: int,
    seed: int,
    decision: Decision,
    t: Telemetry,
    facts: Mapping[str, np.ndarray],
    words: list[str],
) -> Columns:
    """One row, in arrays of its own; faults that have no word yet get one in `words`."""
    row = dict(zip(_HEAD, np.array([[episode], [step], [seed]], np.int64), strict=True))
    for name in Decision.FIELDS:
        row["decision." + name] = getattr(decision, name)[0].copy()
    for item in fields(Telemetry):
        array = getattr(t, item.name)[0]
        if item.name in SPARSE:
            flat = array.reshape(-1)
            at = np.flatnonzero(flat)
            row[f"telemetry.{item.name}.at"], row[f"telemetry.{item.name}.count"] = at.astype(np.uint32), flat[at]
        else:
            row["telemetry." + item.name] = np.array(array).reshape(-1)
    for name, kind in FACTS.items() if facts else ():
        values = facts[name][0]
        if name == "fault":
            words += sorted(set(values) - set(words))
            values = [words.index(word) for word in values]
        row["facts." + name] = np.asarray(values, kind)
    return row


def write_group(file: Path, number: int, rows: Sequence[Columns], about: About) -> None:
    """Rows as the `number`-th group of the recording `file`."""
    arrow = require_pyarrow()
    table = {
        name: _column(arrow, name, [row[name] for row in rows])
        for name in rows[0]
        if rows[0][name].size or "hist" in name
    }
    content = arrow.table(table).replace_schema_metadata({METADATA: _encoded(about)})
    path = groups_of(file) / f"{number:06d}.parquet"
    partial = path.with_suffix(".partial")
    arrow.parquet.write_table(content, partial, compression="zstd")
    os.replace(partial, path)


def join(file: Path) -> None:
    """One file of all groups; their folder goes. Nothing is lost wherever this is stopped."""
    arrow = require_pyarrow()
    groups = _groups(file)
    partial = file.with_name(file.name + ".partial")
    # The last group knows all words.
    schema = arrow.parquet.read_schema(groups[-1])
    with arrow.parquet.ParquetWriter(partial, schema, compression="zstd") as writer:
        for group in groups:
            writer.write_table(arrow.parquet.read_table(group).replace_schema_metadata(schema.metadata))
    os.replace(partial, file)
    shutil.rmtree(groups_of(file))


def _column(arrow: Any, name: str, arrays: list[np.ndarray]) -> Any:
    if name in _HEAD:
        return arrow.array(np.concatenate(arrays))
    values = arrow.array(np.concatenate(arrays))
    if name.endswith((".at", ".count")):
        ends = np.cumsum([0] + [len(array) for array in arrays], dtype=np.int32)
        return arrow.ListArray.from_arrays(arrow.array(ends), values)
    return arrow.FixedSizeListArray.from_arrays(values, len(arrays[0]))


def _encoded(about: About) -> bytes:
    return msgspec.json.encode(about)


# --- reading --------------------------------------------------------------------------------------------------------


class Recording:
    """A recorded run, finished or not.

    `about`: what it is about. `episodes`: seed and number of steps of each. `scenario_name`, `cluster`, `options` are
    those of the run.

    Raises:
        RecordingError: no such file, or no recording.
    """

    def __init__(self, file: str | Path) -> None:
        self.file = Path(file)
        arrow = require_pyarrow()
        if self.file.is_file():
            files = [self.file]
        elif groups_of(self.file).is_dir():
            files = _groups(self.file)
        else:
            raise RecordingError(f"{self.file}: no such file")
        try:
            self._groups = [
                (parquet, group)
                for parquet in map(arrow.parquet.ParquetFile, files)
                for group in range(parquet.num_row_groups)
            ]
            metadata = arrow.parquet.read_schema(files[-1]).metadata or {}
        except arrow.ArrowInvalid as error:
            raise RecordingError(f"{self.file}: no Parquet file ({error})") from None
        if METADATA not in metadata:
            raise RecordingError(f"{self.file}: no recording of octogym's (metadata {METADATA.decode()} is missing)")
        self.about = _about(self.file, metadata[METADATA])
        self.cluster = self.about.cluster
        heads = [self._read(group, list(_HEAD)) for group in range(len(self._groups))]
        episode, step, seed = (np.concatenate([head[name] for head in heads]) for name in _HEAD)
        self._first = np.cumsum([0] + [len(head["step"]) for head in heads])
        self._starts = np.flatnonzero(step == 0)
        self.rows = len(step)
        expected = np.arange(self.rows) - self._starts[np.maximum(np.cumsum(step == 0) - 1, 0)]
        if not len(self._starts) or (step != expected).any() or (np.diff(episode) != (step[1:] == 0)).any():
            raise RecordingError(f"{self.file}: rows are missing or out of order")
        ends = np.append(self._starts[1:], self.rows)
        self.episodes = tuple(zip(seed[self._starts].tolist(), (ends - self._starts - 1).tolist(), strict=True))
        self._held: tuple[int, Columns] = (-1, {})

    def row(self, episode: int, step: int) -> Row:
        """Row `step` of an episode; 0 is its reset."""
        at = int(self._starts[episode]) + step
        group = int(np.searchsorted(self._first, at, side="right")) - 1
        if self._held[0] != group:
            self._held = group, self._read(group, None)
        return Row(self._held[1], at - int(self._first[group]), self.about)

    def steps(self, episode: int) -> Iterator[Row]:
        """The rows of an episode's steps, in order."""
        return (self.row(episode, 1 + step) for step in range(self.episodes[episode][1]))

    def _read(self, group: int, columns: list[str] | None) -> Columns:
        parquet, number = self._groups[group]
        table = parquet.read_row_group(number, columns=columns).combine_chunks()
        found: Columns = {}
        for name in table.column_names:
            column = table[name].chunk(0)
            if name in _HEAD:
                found[name] = column.to_numpy()
            elif name.endswith((".at", ".count")):
                found[name], found[name + ".ends"] = column.values.to_numpy(), column.offsets.to_numpy()
            else:
                found[name] = column.values.to_numpy().reshape(len(column), -1)
        return found


@dataclass(frozen=True)
class Row:
    """One row of a recording."""

    _columns: Columns
    _at: int
    _about: About

    def decision(self) -> Decision:
        found = Decision.keep(self._about.cluster)
        for name in Decision.FIELDS:
            if "decision." + name in self._columns:  # what has no places has no column
                getattr(found, name)[0] = self._columns["decision." + name][self._at]
        return found

    def telemetry(self, into: Telemetry | None = None) -> Telemetry:
        """The row's telemetry, in a new one or `into` one of this cluster."""
        t = zeros(self._about.cluster) if into is None else into
        for item in fields(Telemetry):
            array = getattr(t, item.name)[0:1]
            if item.name in SPARSE:
                flat = array.reshape(-1)
                flat[:] = 0
                at, count = (self._list(f"telemetry.{item.name}.{part}") for part in ("at", "count"))
                flat[at] = count
            elif "telemetry." + item.name in self._columns:
                array[...] = self._columns["telemetry." + item.name][self._at].reshape(array.shape)
        return t

    def facts(self) -> dict[str, np.ndarray] | None:
        """As `agent_facts()` said it, arrays [1, S]; None where the backend had none."""
        if "facts.late" not in self._columns:
            return None
        found = {name: self._columns["facts." + name][self._at][None] for name in FACTS}
        words = np.array(self._about.words, object)
        return {**found, "fault": words[found["fault"]], "safe_active": found["safe_active"].astype(bool)}

    def _list(self, name: str) -> np.ndarray:
        ends = self._columns[name + ".ends"]
        return self._columns[name][ends[self._at] : ends[self._at + 1]]


def _groups(file: Path) -> list[Path]:
    found = sorted(groups_of(file).glob("*.parquet"))
    if not found:
        raise RecordingError(f"{groups_of(file)}: no group of rows was written")
    return found


def _about(file: Path, data: bytes) -> About:
    try:
        number = json.loads(data).get("format")
        if number != FORMAT:
            raise RecordingError(f"{file}: format {number}; this octogym reads format {FORMAT}")
        return msgspec.json.decode(data, type=About)
    except (ValueError, AttributeError) as error:
        if isinstance(error, RecordingError):
            raise
        raise RecordingError(f"{file}: its metadata cannot be read ({error})") from None
