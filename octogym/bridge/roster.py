"""The roster of a rack (`rack.toml`): its scenario, where the host listens, and what it knows of each device."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from octogym.bridge.addresses import check_listen, is_local
from octogym.bridge.keys import HOST
from octogym.bridge.protocol.deployment import Deployment, deployments
from octogym.bridge.protocol.keyfile import is_fingerprint
from octogym.cluster.errors import OctoGymError
from octogym.cluster.loading import load_scenario
from octogym.cluster.loading.check import check
from octogym.cluster.loading.document import Document, choices, read_document
from octogym.cluster.loading.schema import REQUIRED, SAFE, Key, Named, Table
from octogym.cluster.scenario import Scenario
from octogym.cluster.settings import DEADLINE, Settings

HOST_DECIDES, AGENT_DECIDES = "host", "agent"
DEVICE = {
    "key": Key("string", None, "fingerprint (SHA256:...) that the device's key must have; none: as `keys allow` said"),
    "address": Key("string", None, "where other devices send it their requests, tcp://HOST:PORT"),
    "control": Key(
        "string",
        HOST_DECIDES,
        "who decides the settings of its instances: the host, or the device's own agent",
        allowed=(HOST_DECIDES, AGENT_DECIDES),
    ),
    "safe": Table(SAFE, "settings of its instances when decisions stop coming; default: the scenario's", optional=True),
}
ROSTER = {
    "scenario": Key("string", REQUIRED, "a name, or a .toml file beside this one"),
    "listen": Key("string", "tcp://127.0.0.1:5760", "where devices find the host, tcp://HOST:PORT"),
    "weights": Key("string", None, "where they bring and fetch weights; default: the port after `listen`'s"),
    "curve": Key("boolean", True, "encrypt and authenticate; false only on an address of this machine"),
    "keys": Key("string", None, "folder of keys beside this file; default: the user's own"),
    "key": Key("string", HOST, "name of the host's key in that folder"),
    "period_s": Key("number", None, "real length of a window; default: the scenario's", "s", above=0, high=3600),
    "grace_ms": Key("number", 50.0, "how long step() waits beyond the window's end for news", "ms", low=0),
    "steady": Key("boolean", False, "step() returns `grace_ms` after the window's end, also when all have told before"),
    "elastic": Key("boolean", False, "a late step() begins a new window at once instead of keeping the grid"),
    "devices": Named(Table(DEVICE), "devices of the scenario", names="free"),
}


@dataclass(frozen=True)
class RosterDevice:
    """`key`: fingerprint that is asked for, "" for none; `address` "" where no peer needs it; `control`: "host", or
    "agent" where the device's own agent decides settings."""

    id: str
    key: str
    address: str
    control: str = HOST_DECIDES


@dataclass(frozen=True)
class Roster:
    """A checked roster. `scenario` holds the devices' safe settings as the roster states them. `weights`: where the
    host listens for weights."""

    file: str
    scenario: Scenario
    devices: tuple[RosterDevice, ...]
    listen: str
    curve: bool
    keys: Path | None
    key: str
    period_ns: int
    grace_ns: int
    elastic: bool
    weights: str
    steady: bool = False


def read_roster(file: str | Path, scenario: Scenario | None = None) -> Roster:
    """Read a rack file.

    Args:
        file: the rack file.
        scenario: instead of the file's own, for example with another load.

    Raises:
        ScenarioError: names file, key, value and what is allowed.
    """
    file = Path(file)
    document = read_document(file, {})
    data = check(document, Table(ROSTER), document.data)
    if scenario is None:
        name = data["scenario"]
        scenario = load_scenario(file.parent / name if name.endswith(".toml") else name)
    _check_addresses(document, data)
    known = [device.id for device in scenario.cluster.devices]
    for name in data["devices"]:
        if name not in known:
            raise document.error(("devices", name), name, choices(name, known, f"a device of {scenario.name}: one of"))
    period_s = data["period_s"]
    period_ns = scenario.cluster.period_ns if period_s is None else round(period_s * 1e9)
    if data["grace_ms"] * 1e6 > period_ns:
        raise document.error(("grace_ms",), data["grace_ms"], f"at most the window, {period_ns / 1e6:g} ms")
    return Roster(
        str(file),
        _with_safe(document, scenario, data["devices"]),
        tuple(_device(document, name, data["devices"].get(name)) for name in known),
        data["listen"],
        data["curve"],
        None if data["keys"] is None else file.parent / data["keys"],
        data["key"],
        period_ns,
        round(data["grace_ms"] * 1e6),
        data["elastic"],
        data["weights"] or _next_port(data["listen"]),
        data["steady"],
    )


def deployments_of(roster: Roster) -> Mapping[str, Deployment]:
    """Every device's deployment under the control that the roster says, with windows of their real length."""
    parts = deployments(roster.scenario, {device.id: device.control for device in roster.devices}, {})
    for part in parts.values():
        part.period_ns = roster.period_ns
    return parts


def _device(document: Document, name: str, entry: Mapping[str, Any] | None) -> RosterDevice:
    if entry is None:
        return RosterDevice(name, "", "")
    key = entry["key"] or ""
    if key and not is_fingerprint(key):
        raise document.error(("devices", name, "key"), key, "a fingerprint, SHA256:..., as `octogym keys show` prints")
    return RosterDevice(name, key, entry["address"] or "", entry["control"])


def _next_port(listen: str) -> str:
    """Where weights are taken if the roster does not say: TCP, on this machine where control does not leave it."""
    if listen.startswith("ipc://"):
        return "tcp://127.0.0.1:*"
    host, _, port = listen.rpartition(":")
    return listen if port in ("*", "0") else f"{host}:{int(port) + 1}"


def _check_addresses(document: Document, data: Mapping[str, Any]) -> None:
    for name in ("listen", "weights"):
        if data[name] is not None:
            try:
                check_listen(data[name], data["curve"])
            except OctoGymError as error:
                raise document.error((name,), data[name], str(error)) from None
    if (data["weights"] or "tcp://").startswith("ipc://"):
        raise document.error(("weights",), data["weights"], "tcp://HOST:PORT")
    if data["weights"] is None and data["listen"].endswith(":65535"):
        raise document.error(("weights",), None, "an address, as there is no port after that of listen")
    for name, entry in data["devices"].items():
        if entry["address"]:
            try:
                is_local(entry["address"])
            except OctoGymError as error:
                raise document.error(("devices", name, "address"), entry["address"], str(error)) from None


def _with_safe(document: Document, scenario: Scenario, devices: Mapping[str, Mapping[str, Any]]) -> Scenario:
    cluster, changed = scenario.cluster, []
    for instance in cluster.instances:
        device = cluster.devices[instance.device].id
        given = (devices.get(device) or {}).get("safe")
        if given is None:
            changed.append(instance)
            continue
        for key, limit in (("pack", instance.max_pack), ("batch", instance.max_batch)):
            if given[key] is not None and given[key] > limit:
                path = ("devices", device, "safe", key)
                raise document.error(path, given[key], f"at most {limit}, the limit of {instance.id}")
        changed.append(replace(instance, safe=_settings(given, instance.safe)))
    if all(one is two for one, two in zip(changed, cluster.instances, strict=True)):
        return scenario
    return replace(scenario, cluster=replace(cluster, instances=tuple(changed)))


def _settings(given: Mapping[str, Any], default: Settings) -> Settings:
    stated = {name: given[name] for name in ("pack", "batch", "pre", "post") if given[name] is not None}
    timeout = given["timeout_ms"]
    if timeout is not None:
        stated["timeout_ns"] = DEADLINE if timeout == "deadline" else round(timeout * 1_000_000)
    return replace(default, **stated)
