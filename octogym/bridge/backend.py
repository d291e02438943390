"""BridgeBackend: a rack of devices behind the `Backend` protocol."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from octogym.bridge.gather import Gatherer
from octogym.bridge.keys import Admission, KeyRing
from octogym.bridge.logbook import Logbook
from octogym.bridge.protocol.codec import MAX_CONTROL
from octogym.bridge.protocol.facts import STALE, NodeFacts
from octogym.bridge.protocol.host import HostMachine
from octogym.bridge.protocol.keyfile import KeyPair
from octogym.bridge.protocol.messages import Peer
from octogym.bridge.roster import Roster, deployments_of, read_roster
from octogym.bridge.scatter import Cutter
from octogym.bridge.session import CONTROL, AdmitsDevices, HostSession
from octogym.bridge.sockets import HostSockets
from octogym.bridge.tally import Tally
from octogym.bridge.weights import WeightsSession
from octogym.cluster.decision import Decision
from octogym.cluster.errors import OctoGymError
from octogym.cluster.scenario import Scenario
from octogym.cluster.telemetry import Telemetry

_SECOND = 1_000_000_000
#: How long the first reset waits for devices to come, and later ones for those that are not there.
JOIN_S, REJOIN_S = 10.0, 2.0


class BridgeError(OctoGymError, RuntimeError):
    """The rack cannot do what was asked; the message says why."""


class BridgeBackend:
    """Steps a rack window by window on the fixed grid of this machine's clock.

    `step` sends the decision for the window that runs, waits for its end and returns what the devices have said of it:
    at the latest `grace_ns` after the end, whatever becomes of any device; on a `steady` rack always then. Where a
    device has said nothing its rows stand still with `valid` 0; `facts` says what is known of it. One environment; real
    time, so nothing repeats.

    Args:
        roster: the rack.
        pair: the host's keys; None for plain sockets, on this machine only.
        admits: who may connect, and which device each key is.
        check: validate every decision.
        join_s: how long the first reset waits for devices, in seconds of the clock.

    Raises:
        BridgeError: a device of the scenario has no key.
        ValueError: `delay_steps` beyond 1.
        AddressError: listening beyond this machine without CURVE.
    """

    num_envs = 1

    def __init__(
        self, roster: Roster, pair: KeyPair | None, admits: AdmitsDevices, check: bool = True, join_s: float = JOIN_S
    ) -> None:
        self.roster, self.scenario, self.cluster = roster, roster.scenario, roster.scenario.cluster
        self.check, self._join_s = check, join_s
        cluster = self.cluster
        missing = sorted({device.id for device in cluster.devices} - set(admits.devices.values()))
        if missing:
            raise BridgeError(
                f"{roster.file}: no admitted key for {', '.join(missing)}; on the host run: octogym keys allow "
                f"{missing[0]} KEY (or mend its key in the roster)"
            )
        if self.scenario.options.delay_steps not in (0, 1):
            # A decision reaches a device for the window that runs or the next one (docs/protocol.md, section 6).
            raise ValueError(f"options.delay_steps = {self.scenario.options.delay_steps}; allowed: 0, 1")
        self._scale = cluster.period_ns / roster.period_ns
        self.deployments = deployments_of(roster)
        #: Whether decisions also set instances that their devices' agents control (roster, `control`): for as long as
        #: they are valid, then the agents decide again.
        self.override = False
        self._cutter, self._gatherer = Cutter(self.deployments), Gatherer(cluster, self.deployments)
        sockets = HostSockets(pair, admits, {CONTROL: MAX_CONTROL})
        try:
            self.address = sockets.listen(CONTROL, roster.listen)
            #: Weights to and from nodes, on a socket of their own.
            self.weights = WeightsSession(pair, admits, roster.weights)
        except BaseException:
            sockets.close()
            raise
        now = time.monotonic_ns()
        self._grace_ns = grace_ns = min(roster.grace_ns, roster.period_ns // 4)
        session, port = secrets.randbits(61) + 1, self.weights.port
        machine = HostMachine(now, session, roster.period_ns, admits.devices, grace_ns, model_port=port)
        machine.deploy(now, self.deployments)
        keys = {device: key.hex() for key, device in admits.devices.items()}
        known = {device.id: device.address for device in roster.devices if device.address}
        machine.set_peers(now, {device: Peer(device, address, keys[device]) for device, address in known.items()})
        self._session = HostSession(machine, sockets, admits)
        self.weights.start(machine.weights)
        self._logbook: Logbook | None = None
        self._seed, self._first, self._next = -1, -1, -1
        self._pending: Decision | None = None
        self.tally = Tally()
        #: What is known of each device since the last step or reset.
        self.facts: dict[str, NodeFacts] = {}

    # --- Backend ----------------------------------------------------------------------------------------------------

    def reset(
        self, seed: int | Sequence[int] | None = None, mask: np.ndarray | None = None, options: Any = None
    ) -> Telemetry:
        """Let every device drain and count from zero, and begin the first window.

        Returns when the first window begins, with the state at its beginning. Devices that do not come within
        `join_s` (later: 2 s) are left out until they do. `options`: only `horizon_s`, which changes nothing here: a
        rack has no traces to shift.

        Raises:
            BridgeError: no device is there.
            ValueError: a mask of less than the one environment, a bad seed, other options.
        """
        self._seed = self._next_seed(seed, mask, options)
        patience_s = self._join_s if self._first < 0 else min(self._join_s, REJOIN_S)
        with self._session.machine_now() as (machine, now):
            machine.reset(now, self._seed)
        self._session.wait(now + round(patience_s * _SECOND), lambda machine: all(machine.ready().values()))
        with self._session.machine_now() as (machine, now):
            ready = machine.ready()
            if any(ready.values()):
                self._first = self._next = machine.start(now)
                due_ns = machine.collect_at(self._first - 1)
        if not any(ready.values()):
            raise BridgeError(
                f"{self.roster.file}: none of {', '.join(ready)} is ready after {patience_s:g} s; are their nodes "
                f"running, with {self.address} as their host?"
            )
        self._gatherer.begin()
        self._pending = None
        return self._collect(self._first - 1, due_ns, 0)

    def step(self, decision: Decision) -> Telemetry:
        """Decide for the window that runs, and return its telemetry at its end.

        A call that comes when its window is over decides for the one that runs then; the telemetry covers all windows
        since the last call (`window_ns`), and `tally` counts it.

        Raises:
            RuntimeError: before the first reset.
            ValueError: a decision that is out of range.
            SessionEnded: the session's thread is gone.
        """
        if self._next < 0:
            raise RuntimeError("BridgeBackend.step before reset")
        if self.check:
            decision.validate(self.cluster, 1)
        if self.scenario.options.delay_steps:
            before, self._pending = self._pending or Decision.keep(self.cluster), decision.copy()
            decision = before
        rows = self._cutter.cut(decision)
        with self._session.machine_now() as (machine, now):
            window = self._window(machine, now)
            machine.act(now, window, rows, self.override)
            due_ns = machine.collect_at(window)
        windows = window - self._next + 1
        self.tally.step(windows)
        return self._collect(window, due_ns, windows)

    def close(self) -> None:
        """Say good-bye to all devices, which take their safe settings, and close the sockets."""
        if self._logbook is not None:
            self._logbook.close()
            self._logbook = None
        self._session.close()
        self.weights.close()

    # --- for policies, infos and people ------------------------------------------------------------------------------

    def agent_facts(self) -> dict[str, np.ndarray]:
        """Per instance [1, S]: `late` and `missed` (counts), `fault` (text, "" for none), `safe_active`, `window_s`
        (cluster time that the counts cover), `acted_window` (since the reset; -1 none), as `NodeFacts` has them."""
        by_device = [self.facts[device.id] for device in self.cluster.devices]
        of = [by_device[instance.device] for instance in self.cluster.instances]
        return {
            "late": np.array([[facts.late for facts in of]], np.int64),
            "missed": np.array([[self._missed(facts) for facts in of]], np.int64),
            "fault": np.array([[facts.fault for facts in of]], object),
            "safe_active": np.array([[facts.safe_active and facts.present for facts in of]], bool),
            "window_s": np.array([[facts.window_ns * self._scale / 1e9 for facts in of]]),
            "acted_window": np.array([[max(-1, facts.acted_window - self._first) for facts in of]], np.int64),
        }

    def keep_log(self, name: str) -> None:
        """Leave the rack's state and its log under this name for `octogym rack status` and `logs`.

        Raises:
            LogbookError: the folder for it cannot be written.
        """
        if self._logbook is None:
            self._logbook = Logbook(self, self._session, name)

    def about(self) -> dict[str, Any]:
        """Scenario, period, steps and faults so far; plain values."""
        tally = self.tally
        return {
            "scenario": self.scenario.name,
            "roster": self.roster.file,
            "curve": self.roster.curve,
            "period_s": self.roster.period_ns / 1e9,
            "steps": tally.steps,
            "late_steps": tally.late_steps,
            "skipped": tally.skipped,
            "faults": dict(tally.faults),
        }

    # --- inside ------------------------------------------------------------------------------------------------------

    def _window(self, machine: HostMachine, now_ns: int) -> int:
        """The window to decide for: that which runs, if enough of it is left for the decision to arrive."""
        window = max(self._next, machine.window(now_ns))
        since_ns = now_ns - machine.tick_ns(window - 1)
        latest_ns = machine.grace_ns if self.roster.elastic else self.roster.period_ns - machine.grace_ns // 2
        return window + (since_ns > latest_ns)

    def _collect(self, window: int, due_ns: int, windows: int) -> Telemetry:
        """Wait for the end of `window`, then for its reports, at most until `due_ns`; gather them."""
        self._session.wait(due_ns, lambda machine: machine.complete(window), due_ns - self._grace_ns)
        period_ns = self.cluster.period_ns
        self._gatherer.time((window + 1 - self._first) * period_ns, windows * period_ns)
        with self._session.machine_now(wake=False) as (machine, now):
            before, self.facts = self.facts, machine.collect(now, window)
            if not windows:
                self.facts = {device: _at_start(facts) for device, facts in self.facts.items()}
            for d, device in enumerate(self.cluster.devices):
                self._gather(d, self.facts[device.id])
            telemetry = self._gatherer.sums()
        self.tally.see(before, self.facts)
        self._next = window + 1
        if self.roster.steady:
            time.sleep(max(0, due_ns - time.monotonic_ns()) / 1e9)
        return telemetry

    def _gather(self, device: int, facts: NodeFacts) -> None:
        age_ns = 0 if facts.fresh else round(facts.age_ns * self._scale)
        if facts.age_ns < 0:  # never heard: what is shown is the episode's start
            age_ns = int(self._gatherer.telemetry.t_ns[0])
        news = facts.windows > 0 or facts.fresh
        if facts.rows is not None and news:
            here = facts.present or facts.fresh
            self._gatherer.heard(device, facts.rows, facts.bins, here, facts.fresh, age_ns)
        else:
            self._gatherer.silent(device, facts.bins, facts.present, age_ns)

    def _missed(self, facts: NodeFacts) -> int:
        """Windows since the last report; since the reset where there was none."""
        return self._next - self._first if facts.age_ns < 0 else facts.missed

    def _next_seed(self, seed: int | Sequence[int] | None, mask: np.ndarray | None, options: Any) -> int:
        if mask is not None and not (np.shape(mask) == (1,) and bool(np.all(mask))):
            raise ValueError(f"mask = {mask!r}; allowed: None or [True], as a rack is one environment")
        unknown = sorted(set(options or ()) - {"horizon_s"})
        if unknown:
            raise ValueError(f"options {', '.join(unknown)}: not on a rack, whose workload is what its cameras see")
        if seed is None:
            return self._seed + 1
        seeds = np.asarray(seed, np.int64).reshape(-1)
        if seeds.shape != (1,) or not 0 <= seeds[0] < 2**62:
            raise ValueError(f"seed = {seed!r}; allowed: an integer from 0 to 2^62")
        return int(seeds[0])


def _at_start(facts: NodeFacts) -> NodeFacts:
    """What a device says of the episode's start covers no window, and is as new as can be."""
    if facts.rows is None or facts.missed:
        return facts
    return facts._replace(fresh=True, stale=False, fault="" if facts.fault == STALE else facts.fault)


def open_bridge(
    scenario: Scenario | None = None, num_envs: int = 1, rack: str | Path | None = None, **settings: Any
) -> BridgeBackend:
    """The backend "bridge": listens as the rack file says, with the keys that it names.

    Args:
        scenario: instead of the rack file's own.
        num_envs: 1.
        rack: the rack file; needed.
        **settings: as `BridgeBackend`.

    Raises:
        BridgeError, ScenarioError, KeyFileError: what is missing or wrong.
    """
    if rack is None:
        raise BridgeError('backend "bridge" needs a rack file: backend="rack.toml", or rack="rack.toml"')
    if num_envs != 1:
        raise BridgeError(f"num_envs = {num_envs}; allowed: 1, a rack is one environment")
    roster = read_roster(rack, scenario)
    ring = KeyRing(roster.keys)
    admission = Admission(ring, {device.id: device.key for device in roster.devices})
    if admission.problem:
        raise BridgeError(admission.problem)
    backend = BridgeBackend(roster, ring.pair(roster.key) if roster.curve else None, admission, **settings)
    try:
        backend.keep_log(Path(rack).stem)
    except BaseException:
        backend.close()
        raise
    return backend
