"""Results on disk: Parquet tables and figures per policy and seed, each with its provenance."""

from __future__ import annotations

import json
import math
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from octogym.cli.provenance import IDENTITY
from octogym.cluster.errors import MissingExtra, OctoGymError
from octogym.cluster.results import CAMERA_COUNTERS, CAMERA_STATE, QUEUES, Episode
from octogym.cluster.settings import DEADLINE
from octogym.cluster.topology import Cluster

TABLES = ("windows", "instances", "cameras", "links")
FIGURES = "figures.json"
#: Key of the provenance in a Parquet file's schema metadata.
METADATA = b"octogym"


class StoreError(OctoGymError):
    """A results folder that cannot be used."""


def require_pyarrow() -> Any:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise MissingExtra("plot", "pyarrow") from error
    return pyarrow


def folder_of(out: Path, label: str, seed: int) -> Path:
    """OUT/POLICY/seed-N."""
    return out / slug(label) / f"seed-{seed}"


def slug(label: str) -> str:
    """A policy as a folder's name."""
    return re.sub(r"[^A-Za-z0-9.=_-]+", "_", label).strip("_.")[:80] or "policy"


def columns(cluster: Cluster, episode: Episode) -> dict[str, dict[str, Any]]:
    """The tables: name -> column -> values. `windows` has a row per window, the others one per window and thing."""
    t_s = episode.t_ns / 1e9
    instances = {name: array for name, array in episode.instances.items() if not name.endswith("_ns")}
    instances["local_latency_ms"] = episode.instances["local_latency_ns"] / 1e6
    timeout = episode.instances["timeout_ns"]
    instances["timeout_ms"] = np.where(timeout == DEADLINE, DEADLINE, timeout / 1e6)
    latency_ms = episode.latency_ns / 1e6
    windows: dict[str, Any] = {"t_s": t_s}
    windows.update({name: episode.cameras[name].sum(1) for name in CAMERA_COUNTERS + CAMERA_STATE})
    windows.update({f"latency_{name}_ms": latency_ms[:, k] for k, name in enumerate(("mean", "p50", "p95", "p99"))})
    windows["reward"] = episode.instances["reward"].mean(1)
    windows["link_bound_share"] = episode.link_bound()
    windows.update({name: episode.instances[name].sum(1) for name in QUEUES})
    links = {
        "bandwidth_mbps": episode.links["bandwidth_bps"] / 1e6,
        "sent_bytes": episode.links["sent_bytes"],
        "busy_share": episode.links["link_busy_ns"] / episode.period_ns,
    }
    ends = [f"{device.id} {way}" for way in ("up", "down") for device in cluster.devices]
    return {
        "windows": windows,
        "instances": _long(t_s, "instance", [instance.id for instance in cluster.instances], instances),
        "cameras": _long(t_s, "camera", [camera.id for camera in cluster.cameras], episode.cameras),
        "links": _long(t_s, "link", ends, links),
    }


def _long(t_s: np.ndarray, what: str, names: list[str], arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    table: dict[str, Any] = {"t_s": np.repeat(t_s, len(names)), what: np.tile(np.array(names, object), len(t_s))}
    table.update({name: np.ascontiguousarray(array).reshape(-1) for name, array in arrays.items()})
    return table


def save(folder: Path, cluster: Cluster, episode: Episode, record: dict[str, Any], parquet: bool) -> None:
    """Write one episode. `record` = {"provenance", "figures", "complete", ...}; it is written last, so that a folder
    with a record holds whole tables."""
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    if parquet:
        pyarrow = require_pyarrow()
        metadata = {METADATA: json.dumps(clean(record["provenance"])).encode()}
        for name, table in columns(cluster, episode).items():
            content = pyarrow.table(table).replace_schema_metadata(metadata)
            pyarrow.parquet.write_table(content, folder / f"{name}.parquet", compression="zstd")
    write_json(folder / FIGURES, record)


def load(folder: Path, provenance: dict[str, Any], parquet: bool) -> dict[str, Any] | None:
    """The record of a complete result with the same identity, or None."""
    try:
        record = json.loads((folder / FIGURES).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    found = record.get("provenance", {})
    same = all(found.get(key) == provenance[key] for key in IDENTITY)
    whole = not parquet or all((folder / f"{name}.parquet").exists() for name in TABLES)
    return record if record.get("complete") and same and whole else None


def read_table(folder: Path, name: str) -> dict[str, np.ndarray]:
    """Columns of one table as arrays."""
    table = require_pyarrow().parquet.read_table(folder / f"{name}.parquet")
    return {column: table[column].to_numpy() for column in table.column_names}


def write_json(file: Path, content: Any) -> None:
    file.write_text(json.dumps(clean(content), indent=2) + "\n", encoding="utf-8")


def clean(value: Any) -> Any:
    """Plain JSON values: NumPy scalars as numbers, what is not finite as null."""
    if isinstance(value, dict):
        return {str(key): clean(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [clean(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
