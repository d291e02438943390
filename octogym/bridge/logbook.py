"""What a running rack leaves on its host's disk for people: how every device stands, and what has happened."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from octogym.bridge.protocol.facts import NodeFacts
from octogym.bridge.protocol.host import HostMachine
from octogym.bridge.protocol.keyfile import fingerprint
from octogym.bridge.protocol.rows import DEVICE
from octogym.bridge.session import HostSession
from octogym.cluster.errors import OctoGymError

#: How often the state is written, in seconds, and how large a log grows before the older half of it goes.
EVERY_S, LOG_BYTES = 1.0, 4_000_000
STATUS, LOG = "status.json", "log.jsonl"
#: Racks that are remembered.
_KEPT = 20
_HARDWARE = ("type", "cores", "gpus", "lanes", "memory_bytes")


class LogbookError(OctoGymError, OSError):
    """The folder of a rack's state cannot be used."""


class Watched(Protocol):
    """The host of a rack: `octogym.bridge.backend.BridgeBackend`."""

    address: str
    facts: dict[str, NodeFacts]

    def about(self) -> dict[str, Any]:
        """Scenario, period, steps and faults so far; plain values."""


def default_folder() -> Path:
    """`OCTOGYM_STATE`, or `octogym` in the user's folder of state; racks lie in it by name."""
    given = os.environ.get("OCTOGYM_STATE")
    if given:
        return Path(given) / "racks"
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(base) / "octogym" / "racks"


class Logbook:
    """Writes a rack's state every second, from a thread of its own, so that no disk can stop a step.

    `problem`: why nothing more is written; "" as long as all is well.

    Args:
        host: the rack's host, and its session.
        name: of the rack; the port is added to it.
        folder: of all racks.

    Raises:
        LogbookError: the folder cannot be made or written.
    """

    def __init__(self, host: Watched, session: HostSession, name: str, folder: Path | None = None) -> None:
        self._host, self._session = host, session
        self.name = f"{name}-{host.address.rpartition(':')[2]}"
        self.folder = (folder or default_folder()) / self.name
        self.problem = ""
        self._started, self._ended = time.time(), threading.Event()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            _forget(self.folder.parent, self.folder)
            (self.folder / LOG).touch()
        except OSError as error:
            raise LogbookError(
                f"{self.folder}: {error.strerror}; expected a folder that can be written (OCTOGYM_STATE names another)"
            ) from None
        self._thread = threading.Thread(target=self._run, name="octogym-logbook", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Write how it ended. To be called while the session lasts."""
        self._ended.set()
        self._thread.join(5.0)

    def _run(self) -> None:
        try:
            while not self._ended.wait(EVERY_S):
                self._write(False)
            self._write(True)
        except OctoGymError as error:  # the session has ended, and whoever steps the rack is told
            self.problem = str(error)
        except OSError as error:
            self.problem = f"{self.folder}: {error.strerror}"

    def _write(self, ended: bool) -> None:
        with self._session.machine_now(wake=False) as (machine, now_ns):
            found = _devices(machine, now_ns, self._host.facts, self._session.admitted())
            events, wall = machine.events(), time.time()
            window, refused = machine.window(now_ns), dict(machine.refused)
        head = {"rack": self.name, "address": self._host.address, "process": os.getpid(), "started": self._started}
        state = {**head, "written": wall, "ended": ended, "window": window, **self._host.about()}
        state.update(refused=refused, turned_away=self._session.turned_away(), devices=found)
        part = self.folder / (STATUS + ".part")
        part.write_text(json.dumps(state, indent=1) + "\n", encoding="utf-8")
        os.replace(part, self.folder / STATUS)
        log = self.folder / LOG
        if log.stat().st_size > LOG_BYTES:
            text = log.read_text(encoding="utf-8")
            log.write_text(text[text.index("\n", len(text) // 2) + 1 :], encoding="utf-8")
        with log.open("a", encoding="utf-8") as file:
            for event in events:
                at = wall - (now_ns - event.t_ns) / 1e9
                line = {"time": round(at, 3), "device": event.device, "kind": event.kind, "text": event.text}
                file.write(json.dumps(line) + "\n")


def racks(folder: Path | None = None) -> list[dict[str, Any]]:
    """The state of every rack that has left one, the latest first; `alive` says whether its process runs."""
    found = []
    for file in (folder or default_folder()).glob(f"*/{STATUS}"):
        try:
            state = json.loads(file.read_text(encoding="utf-8"))
            state["alive"] = not state["ended"] and _runs(state["process"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise LogbookError(f"{file}: not a rack's state ({error}); remove it") from None
        found.append(state)
    return sorted(found, key=lambda state: -state["written"])


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _devices(
    machine: HostMachine, now_ns: int, facts: Mapping[str, NodeFacts], keys: Mapping[str, bytes]
) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for device, status in machine.status(now_ns).items():
        entry: dict[str, Any] = {"state": status.state, "protocol": status.version, "epoch": status.epoch}
        entry["key"] = fingerprint(keys[device]) if device in keys else "revoked"
        entry["offset_ms"] = None if status.offset_ns is None else status.offset_ns / 1e6
        entry["bound_ms"] = None if status.bound_ns is None else status.bound_ns / 1e6
        entry["silent_s"] = None if status.silent_ns < 0 else status.silent_ns / 1e9
        entry["refused"] = dict(status.refused)
        hello, last = status.hello, facts.get(device)
        entry["about"] = {} if hello is None else dict(hello.about)
        entry["hardware"] = {} if hello is None else {name: getattr(hello.hardware, name) for name in _HARDWARE}
        entry["fault"], entry["text"] = ("", "") if last is None else (last.fault, last.text)
        rows = None if last is None else last.rows
        values = [None] * len(DEVICE) if rows is None else [int(value) for value in rows.device]
        entry.update({name: None if value == -1 else value for name, value in zip(DEVICE, values, strict=True)})
        found[device] = entry
    return found


def _forget(folder: Path, but: Path) -> None:
    """Remove what the oldest racks have left, beyond the last ones."""
    old = sorted((path for path in folder.iterdir() if path != but and path.is_dir()), key=lambda p: p.stat().st_mtime)
    for path in old[: max(0, len(old) - _KEPT + 1)]:
        status = path / STATUS
        if status.exists() and not _ended(status):
            continue
        for name in (STATUS, STATUS + ".part", LOG):
            (path / name).unlink(missing_ok=True)
        if not any(path.iterdir()):
            path.rmdir()


def _ended(status: Path) -> bool:
    try:
        state = json.loads(status.read_text(encoding="utf-8"))
        return bool(state["ended"] or not _runs(state["process"]))
    except (OSError, ValueError, KeyError, TypeError):
        return True
