"""`octogym rack status`, `logs` and `doctor`: a running rack, its log, and what is wrong here."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from octogym.bridge.logbook import LOG, default_folder, racks
from octogym.cli.choose import UsageError

#: A state that is older, of a process that lives, is a host that hangs.
STALE_S = 5.0


def add_parsers(actions: Any) -> None:
    status = actions.add_parser(
        "status",
        help="how every device of a running rack stands",
        description="Reads what the rack's host leaves on this machine. Exit code 0: it runs and every device does.",
    )
    logs = actions.add_parser("logs", help="what has happened to the devices of a rack")
    for action in (status, logs):
        action.add_argument("rack", nargs="?", metavar="RACK", help="its name, or the beginning; default: the latest")
    status.add_argument("--json", action="store_true", help="print JSON")
    logs.add_argument("--device", metavar="ID", help="of one device only")
    logs.add_argument("--lines", type=int, default=50, metavar="N", help="the last N (default %(default)s)")
    logs.add_argument("--follow", action="store_true", help="go on until Ctrl-C or the rack's end")
    status.set_defaults(run=run_status)
    logs.set_defaults(run=run_logs)
    doctor = actions.add_parser(
        "doctor",
        help="what could be wrong on this machine and in its running rack",
        description="Versions, keys, disk, power mode, throttling and clocks. What this hardware does not tell is said "
        "to be unknown. Exit code 1 if something is wrong.",
    )
    doctor.add_argument("file", nargs="?", type=Path, metavar="rack.toml", help="check this rack file and its keys too")
    doctor.set_defaults(run=run_doctor)


def find(name: str | None) -> dict[str, Any]:
    """The rack of that name; UsageError if there is none."""
    known = racks()
    fitting = [state for state in known if name is None or state["rack"].startswith(name)]
    if not fitting:
        said = ", ".join(state["rack"] for state in known) or "none"
        which = "no rack" if name is None else f"no rack {name}"
        raise UsageError(f"{which} has run here; known in {default_folder()}: {said}")
    exact = [state for state in fitting if state["rack"] == name]
    return (exact or [state for state in fitting if state["alive"]] or fitting)[0]


def run_status(options: argparse.Namespace) -> int:
    state = find(options.rack)
    hangs = state["alive"] and time.time() - state["written"] > STALE_S
    well = state["alive"] and not hangs and all(entry["state"] == "running" for entry in state["devices"].values())
    if options.json:
        print(json.dumps({**state, "hangs": hangs}, indent=2))
        return int(not well)
    age = time.time() - state["written"]
    if state["alive"]:
        how = f"runs, process {state['process']}" + (f", but has said nothing for {age:.0f} s" if hangs else "")
    else:
        how = ("ended" if state["ended"] else "died without a good-bye") + f" {age:.0f} s ago"
    print(f"{state['rack']}: {state['scenario']} at {state['address']}, {how}")
    kinds = ", ".join(f"{kind} {count}" for kind, count in sorted(state["faults"].items()))
    print(
        f"{state['steps']} steps of {state['period_s']:g} s, {state['late_steps']} late, "
        f"{sum(state['faults'].values())} faults" + (f" ({kinds})" if kinds else "")
    )
    for line in _table(_HEAD, [_cells(device, entry) for device, entry in state["devices"].items()]):
        print(line)
    for title, counts in (("refused messages", state["refused"]), ("turned away", state["turned_away"])):
        said = ", ".join(f"{name} {count}" for name, count in sorted(counts.items()) if count)
        if said:
            print(f"{title}: {said}")
    return int(not well)


_HEAD = (
    "device",
    "state",
    "fault",
    "protocol",
    "clock offset",
    "heard",
    "temperature",
    "power",
    "throttled",
    "octogym",
)


def _cells(device: str, entry: Mapping[str, Any]) -> tuple[str, ...]:
    about = entry["about"]
    offset = _value(entry["offset_ms"], "{:+.2f}") + (
        "" if entry["bound_ms"] is None else f" ± {entry['bound_ms']:.2f} ms"
    )
    return (
        device,
        entry["state"],
        entry["fault"] or "-",
        str(entry["protocol"] or "-"),
        offset,
        _value(entry["silent_s"], "{:.1f} s ago"),
        _value(entry["temperature_mc"], "{:.1f} °C", 1000),
        _value(entry["power_mw"], "{:.1f} W", 1000),
        _value(entry["throttled"], "{:g}"),
        about.get("octogym", "-"),
    )


def _value(value: float | None, form: str, scale: float = 1) -> str:
    return "not known" if value is None else form.format(value / scale)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    for row in (head, *rows):
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def run_logs(options: argparse.Namespace) -> int:
    if options.lines < 0:
        raise UsageError(f"--lines {options.lines}: expected 0 or more")
    state = find(options.rack)
    file = default_folder() / state["rack"] / LOG
    lines = [line for line in _read(file) if options.device in (None, line["device"])]
    for line in lines[len(lines) - min(options.lines, len(lines)) :]:
        _print(line)
    seen = sum(1 for _ in _read(file))
    while options.follow and find(state["rack"])["alive"]:
        time.sleep(0.5)
        now = list(_read(file))
        for line in now[min(seen, len(now)) :]:
            if options.device in (None, line["device"]):
                _print(line)
        seen = len(now)
    return 0


def _read(file: Path) -> Iterator[dict[str, Any]]:
    with file.open(encoding="utf-8") as lines:
        for line in lines:
            if line.endswith("\n"):  # else it is just being written
                yield json.loads(line)


def _print(line: Mapping[str, Any]) -> None:
    at = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(line["time"])) + f".{int(line['time'] * 1000) % 1000:03d}"
    print(f"{at}  {line['device']}  {line['kind']}  {line['text']}".rstrip(), flush=True)


def run_doctor(options: argparse.Namespace) -> int:
    from octogym.cli.rack_doctor import findings

    found = list(findings(options.file))
    width = max(len(finding.what) for finding in found)
    for finding in found:
        print(f"{finding.verdict:<9}  {finding.what:<{width}}  {finding.text}")
    wrong = sum(finding.verdict == "wrong" for finding in found)
    print(f"{wrong} wrong" if wrong else "nothing wrong")
    return int(bool(wrong))
