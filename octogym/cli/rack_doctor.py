"""What `octogym rack doctor` looks at."""

from __future__ import annotations

import os
import shutil
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from octogym.bridge.keys import KeyRing
from octogym.bridge.logbook import default_folder, racks
from octogym.bridge.protocol.errors import ProtocolError
from octogym.bridge.protocol.keyfile import fingerprint
from octogym.bridge.protocol.messages import SPOKEN
from octogym.bridge.roster import read_roster
from octogym.cluster.errors import OctoGymError
from octogym.device_node.about import UNKNOWN, about

#: Free space below which a disk is called full, and a clock's uncertainty, as part of a window, above which the host
#: does not steer by it.
LEAST_GB, MOST_OF_WINDOW = 1.0, 1 / 16


class Finding(NamedTuple):
    """`verdict`: ok, wrong, or not known."""

    verdict: str
    what: str
    text: str


def findings(file: Path | None) -> Iterator[Finding]:
    """All that can be said of this machine, of the rack file if there is one, and of the racks that run here."""
    yield from _machine()
    yield from _roster(file) if file is not None else _keys(KeyRing())
    for state in racks():
        if state["alive"]:
            yield from _rack(state)


def _machine() -> Iterator[Finding]:
    yield Finding("ok", "protocol", "version " + ", ".join(map(str, SPOKEN)))
    try:
        found = about()
    except OctoGymError as error:
        yield Finding("wrong", "pyzmq", str(error))
        return
    for name in ("octogym", "python", "pyzmq", "libzmq", "system"):
        yield Finding("ok", name, found[name])
    for name in ("power_mode", "governor", "throttled"):
        text = found[name]
        if text == UNKNOWN:
            yield Finding(UNKNOWN, name.replace("_", " "), "this hardware does not tell")
        elif name == "throttled":
            hot = text.isdigit() and int(text) > 0
            yield Finding("wrong" if hot else "ok", name, f"{text} times since the start of the machine")
        else:
            yield Finding("ok", name.replace("_", " "), text)
    folder = default_folder()
    yield _disk("disk", folder)
    load, cores = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0, os.cpu_count() or 1
    yield Finding("wrong" if load > 2 * cores else "ok", "load", f"{load:.1f} on {cores} cores")
    resolution = time.get_clock_info("monotonic").resolution
    yield Finding("ok" if resolution <= 1e-3 else "wrong", "clock", f"monotonic, resolution {resolution * 1e9:g} ns")


def _disk(what: str, folder: Path) -> Finding:
    there = next((path for path in (folder, *folder.parents) if path.exists()), Path())
    free = shutil.disk_usage(there).free / 1e9
    if not os.access(there, os.W_OK):
        return Finding("wrong", what, f"{there} cannot be written; OCTOGYM_STATE names another folder")
    return Finding("ok" if free >= LEAST_GB else "wrong", what, f"{free:.1f} GB free for {folder}")


def _roster(file: Path) -> Iterator[Finding]:
    try:
        roster = read_roster(file)
    except OctoGymError as error:
        yield Finding("wrong", "rack file", str(error))
        return
    yield Finding("ok", "rack file", f"{file}: {roster.scenario.name}, listens at {roster.listen}")
    ring = KeyRing(roster.keys)
    yield from _keys(ring, roster.key if roster.curve else None)
    try:
        allowed = ring.allowed()
    except OctoGymError:
        return  # said already
    for device in roster.devices:
        key = allowed.get(device.id)
        if key is None:
            yield Finding("wrong", device.id, "no admitted key: octogym keys allow " + device.id + " KEY")
        elif device.key and fingerprint(key) != device.key:
            yield Finding("wrong", device.id, f"its key is {fingerprint(key)}, the rack file asks for {device.key}")
        else:
            yield Finding("ok", device.id, fingerprint(key))


def _keys(ring: KeyRing, own: str | None = None) -> Iterator[Finding]:
    try:
        names, allowed, revoked = ring.names(), ring.allowed(), ring.revoked()
        if own is not None:
            ring.pair(own)
    except (OctoGymError, ProtocolError) as error:
        yield Finding("wrong", "keys", str(error))
        return
    yield Finding("ok", "keys", f"{ring.folder}: {len(names)} own, {len(allowed)} admitted, {len(revoked)} revoked")
    for name in names:
        mode = stat.S_IMODE((ring.folder / f"{name}.key").stat().st_mode)
        if mode & 0o077:
            yield Finding("wrong", f"key {name}", f"mode {mode:o}: others may read it; expected 600")


def _rack(state: dict[str, Any]) -> Iterator[Finding]:
    rack, period_ms = state["rack"], state["period_s"] * 1e3
    age = time.time() - state["written"]
    yield Finding("wrong" if age > 5 else "ok", rack, f"runs, process {state['process']}, last wrote {age:.0f} s ago")
    versions: dict[str, list[str]] = {}
    for device, entry in state["devices"].items():
        what = f"{rack} {device}"
        fault = f", {entry['fault']} {entry['text']}".rstrip() if entry["fault"] else ""
        yield Finding("ok" if entry["state"] == "running" and not fault else "wrong", what, entry["state"] + fault)
        versions.setdefault(entry["about"].get("octogym", UNKNOWN), []).append(device)
        if entry["bound_ms"] is None:
            yield Finding(UNKNOWN, what, "clock: not measured yet")
        else:
            well = entry["bound_ms"] <= period_ms * MOST_OF_WINDOW
            text = f"clock: {entry['offset_ms']:+.2f} ms from the host's, known to {entry['bound_ms']:.2f} ms"
            yield Finding("ok" if well else "wrong", what, text)
        unknown = [name for name in ("throttled", "temperature_mc", "power_mw") if entry[name] is None]
        if entry["throttled"]:
            yield Finding("wrong", what, f"throttled ({entry['throttled']})")
        if unknown:
            told = ", ".join(name.rpartition("_")[0] or name for name in unknown)
            yield Finding(UNKNOWN, what, f"{told}: its hardware does not tell")
    if len(versions) > 1:
        said = "; ".join(f"{version}: {', '.join(devices)}" for version, devices in sorted(versions.items()))
        yield Finding("ok", f"{rack} versions", f"an upgrade is under way: {said}")
