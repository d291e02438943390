"""Devices and an owner that know the truth of a virtual rack, and hold every history to the protocol's promises."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable

import numpy as np

from octogym.bridge.protocol.deployment import CameraSpec, Deployment, InstanceSpec, RouteSpec, SettingsSpec
from octogym.bridge.protocol.observations import ObsRows
from octogym.bridge.protocol.rows import COUNTERS, DEVICE, STATE, DecisionRows
from octogym.bridge.virtual import KINDS, SECOND, Fault, Owner, VirtualRack, draw_faults, inject

MS = 1_000_000
ARRIVED, COMPLETED, LOST = COUNTERS.index("arrived"), COUNTERS.index("completed"), COUNTERS.index("lost")
IN_STAGE, TAG = STATE.index("in_stage"), DEVICE.index("memory_bytes")
#: Images that a device takes in per millisecond of true time, and holds at any time.
HOLDS = 3
#: Completions in a bin of the second histogram.
BIN_FILL = 700
#: How far a node's windows may be off the host's grid without any fault of a clock.
PHASE_NS = 150 * MS


def deployment(device: str, devices: list[str], period_ns: int = SECOND, control: str = "host") -> Deployment:
    """One detector with two targets, on a device with a camera."""
    settings = SettingsSpec(1, 1, 1, 1, 0)
    here, other = f"{device}/p.detect", devices[(devices.index(device) + 1) % len(devices)]
    instance = InstanceSpec(
        id=here,
        index=devices.index(device),
        pipeline="p",
        model="detect",
        sha256="",
        first=True,
        gpu=0,
        active=True,
        control=control,
        max_pack=4,
        max_batch=16,
        thread_actions=2,
        queues=[10] * 5,
        slo_ns=200 * MS,
        budget_ns=100 * MS,
        initial=settings,
        safe=settings,
    )
    targets = [device, other]
    routes = [
        RouteSpec(k, 0, here, f"{target}/p.crop", target, "crop", "car", 6000, 1000 if k == 0 else 0)
        for k, target in enumerate(targets)
    ]
    camera = CameraSpec(f"{device}-camera", devices.index(device), "p", 15_000, 150_000, 200 * MS)
    return Deployment(
        scenario="histories",
        device=device,
        index=devices.index(device),
        devices=devices,
        period_ns=period_ns,
        settings_validity=3,
        share_validity=30,
        lazy_drop=True,
        instances=[instance],
        routes=routes,
        cameras=[camera],
        results=[f"{name}-camera" for name in devices],
    )


class Violation(AssertionError):
    """A promise of the protocol that a history broke."""


class Truth:
    """What happened, whoever knows of it. `keep`: decisions remembered."""

    def __init__(self, keep: int = 1 << 30) -> None:
        self.number, self._keep = 0, keep
        #: Decisions sent: id -> (device, window), and the session that sent each.
        self.sent: dict[int, tuple[str, int]] = {}
        self.sessions: dict[int, int] = {}
        self.applied: set[int] = set()
        #: True times in which a clock was wrong, so that no true time can be promised: a node's, the host's.
        self.doubt: list[tuple[int, int]] = []
        self.host_doubt: list[tuple[int, int]] = []
        self.counts: Counter[str] = Counter()

    def send(self, device: str, window: int, session: int) -> int:
        """The id of a new decision."""
        self.number += 1
        self.sent[self.number], self.sessions[self.number] = (device, window), session
        old = self.number - self._keep
        self.sent.pop(old, None)
        self.sessions.pop(old, None)
        self.applied.discard(old)
        return self.number

    def doubtful(self, begin_ns: int, end_ns: int, doubt: list[tuple[int, int]] | None = None) -> bool:
        return any(begin <= end_ns and begin_ns <= end for begin, end in (self.doubt if doubt is None else doubt))


class Device:
    """A device that takes in an image per millisecond of true time, and completes it 3 ms later."""

    def __init__(self, device: str, rack: VirtualRack, truth: Truth) -> None:
        self._device, self._rack, self._truth = device, rack, truth
        self._since = rack.now_ns
        self.set_ns: int | None = None
        self._seen_ns = 0

    def deploy(self, deployment: Deployment) -> bool:
        self._deployment = deployment
        self._since = self._rack.now_ns
        return True

    def peers(self, peers) -> None:
        if any(peer.device == self._device for peer in peers):
            raise Violation(f"{self._device} was told of itself as a peer")

    def reset(self, seed: int) -> None:
        self._since = self._rack.now_ns
        self.set_ns = None

    def apply(self, rows: DecisionRows, window: int) -> None:
        """A decision's id is its timeout."""
        decision = int(rows.timeout_ns[0])
        truth, now = self._truth, self._rack.now_ns
        if decision not in truth.sent:
            raise Violation(f"{self._device} applied {decision}, which nobody sent")
        if truth.sent[decision] != (self._device, window):
            raise Violation(f"{self._device} applied {truth.sent[decision]} in its window {window}")
        if decision in truth.applied:
            raise Violation(f"{self._device} applied {decision} twice")
        truth.applied.add(decision)
        truth.counts["applied"] += 1
        host = self._rack.host
        if host is not None and truth.sessions[decision] == host.session and not truth.doubtful(now - 3 * SECOND, now):
            clock = self._rack.host_clock.read(now)
            end = host.tick_ns(window)
            if not end - self._rack.period_ns - PHASE_NS <= clock <= end + PHASE_NS:
                raise Violation(f"{self._device} applied a decision for window {window} {clock - end} ns after its end")
        self.set_ns = now

    def onboard(self, window: int, instances: np.ndarray) -> None:
        raise Violation(f"{self._device} has no agents")

    def safe(self, instances: np.ndarray) -> None:
        self.set_ns = None
        self._truth.counts["safe"] += 1

    def local(self, routes: np.ndarray) -> None:
        self._truth.counts["local"] += 1

    def snapshot(self, window: int) -> ObsRows:
        truth, now = self._truth, self._rack.now_ns
        limit = 4 * self._rack.period_ns + 2 * PHASE_NS
        ran, self._seen_ns = now - self._seen_ns < 1.5 * self._rack.period_ns, now
        if self.set_ns is not None and now - self.set_ns > limit and ran and not truth.doubtful(now - 40 * SECOND, now):
            raise Violation(f"{self._device} has run a decision for {now - self.set_ns} ns without another")
        rows = ObsRows.zeros(self._deployment)
        arrived = (now - self._since) // MS
        rows.counters[ARRIVED], rows.counters[COMPLETED] = arrived, max(0, arrived - HOLDS)
        rows.state[IN_STAGE] = arrived - max(0, arrived - HOLDS)
        rows.device[TAG] = now
        done = int(rows.counters[COMPLETED, 0])
        # Completion n falls into bin n % 7 of one histogram; the other fills bin after bin, none of them twice.
        rows.histograms[0, 0, :7] = [(done - b + 6) // 7 for b in range(7)]
        filled = min(1000, done // BIN_FILL)
        rows.histograms[1, 0, :filled] = BIN_FILL
        rows.histograms[1, 0, filled] = done - filled * BIN_FILL
        rows.flags[1] = 2 if self.set_ns is None else 0
        return rows


class Learner(Owner):
    """Steps the rack and checks what comes back."""

    def __init__(self, host, now, deployments, rack: VirtualRack, truth: Truth, think_ns, delay_steps: int) -> None:
        super().__init__(host, now, deployments, think_ns)
        self.rack, self._truth, self._delay = rack, truth, delay_steps
        self._totals: dict[str, ObsRows] = {}
        self._ages: dict[str, tuple[int, int]] = {}
        self.facts: dict = {}
        self._due: int | None = None

    def decide(self, host, now, window):
        truth, rows = self._truth, {}
        for device, deployed in self.rack.deployments.items():
            decision = DecisionRows.keep(deployed)
            decision.timeout_ns[:] = truth.send(device, window + self._delay, host.session)
            rows[device] = decision
        sent = host.act(now, window + self._delay, rows)
        for device in set(rows) - set(sent):
            del truth.sent[int(rows[device].timeout_ns[0])]
        return sent

    def collected(self, host, now, window):
        truth, rack = self._truth, self.rack
        self.facts = facts = host.collect(now, window)
        if set(facts) != set(rack.deployments):
            raise Violation(f"collect speaks of {sorted(facts)}")
        for device, fact in facts.items():
            truth.counts["collected"] += 1
            truth.counts["fresh"] += fact.fresh
            truth.counts[f"fault:{fact.fault}"] += 1
            self._check(host, device, fact, window, now)

    def _check(self, host, device, fact, window, now):
        rack, truth = self.rack, self._truth
        if fact.fresh and (fact.rows is None or fact.missed or fact.stale):
            raise Violation(f"{device}: {fact}")
        if fact.rows is None:
            return
        rows, before = fact.rows, self._totals.get(device)
        taken = int(rows.device[TAG])
        if fact.fresh and not truth.doubtful(rack.now_ns - 3 * SECOND, rack.now_ns, truth.host_doubt):
            clock = rack.host_clock.read(taken)
            end = host.tick_ns(window)
            if not end - rack.period_ns <= clock <= now:
                raise Violation(f"{device}: fresh in window {window}, but taken {clock - end} ns after its end")
        held = rows.counters[ARRIVED] - rows.counters[COMPLETED] - rows.counters[LOST] - rows.state[IN_STAGE]
        if held.any():
            raise Violation(f"{device}: {held} images unaccounted for")
        for k in range(2):
            if int(rows.histograms[k].sum()) != int(rows.counters[COMPLETED].sum()):
                raise Violation(
                    f"{device}: {rows.histograms[k].sum()} in the histogram, {rows.counters[COMPLETED].sum()} completed"
                )
        if before is not None:
            grown = rows.counters[ARRIVED] - before.counters[ARRIVED]
            if (grown < 0).any() or (rows.histograms < before.histograms).any():
                raise Violation(f"{device}: counts went back by {grown}")
        self._totals[device] = rows.copy()


def history(
    seed: int,
    kinds=KINDS,
    devices: int = 3,
    faults: int = 5,
    trouble_s: int = 8,
    calm_s: int = 8,
    rack_class=VirtualRack,
    more: Callable[[VirtualRack], list[Fault]] | None = None,
) -> tuple[VirtualRack, Truth, list[Fault]]:
    """Run one history: `faults` faults within `trouble_s` seconds, then calm. Raises `Violation`. `more` gives further
    faults when four seconds of it have passed."""
    draw = random.Random(seed)
    names = [f"d{k}" for k in range(devices)]
    truth = Truth()
    delay = draw.randrange(2)
    slow = draw.random() < 0.3

    def think() -> int:
        return draw.randrange(1500 * MS) if slow and draw.random() < 0.2 else draw.randrange(60 * MS)

    rack = rack_class(
        {name: deployment(name, names) for name in names},
        lambda device, rack: Device(device, rack, truth),
        lambda host, now, deployments: Learner(host, now, deployments, rack, truth, think, delay),
        seed,
    )
    plan = draw_faults(draw, names, SECOND, trouble_s * SECOND, faults, kinds)
    for fault in plan:
        if fault.kind in ("clock_step", "drift", "host_clock_step"):
            truth.doubt.append((fault.begin_ns, fault.end_ns + 5 * SECOND))
        if fault.kind == "host_clock_step":
            truth.host_doubt.append(truth.doubt[-1])
    inject(rack, plan)
    if more is not None:
        rack.run(4 * SECOND)
        further = more(rack)
        inject(rack, further)
        plan += further
    rack.run((trouble_s + calm_s) * SECOND)
    slow = False
    rack.run((trouble_s + calm_s + 3) * SECOND)
    try:
        check_whole(rack)
    except Violation as broken:
        raise Violation(f"seed {seed}: {broken}") from broken
    return rack, truth, plan


def quiet_rack(period_s: int, keep: int) -> VirtualRack:
    """Two devices and no faults, for as long as one likes: the truth remembers the last `keep` decisions only."""
    names, truth = ["d0", "d1"], Truth(keep)
    rack = VirtualRack(
        {name: deployment(name, names, period_s * SECOND) for name in names},
        lambda device, rack: Device(device, rack, truth),
        lambda host, now, deployments: Learner(host, now, deployments, rack, truth, lambda: 10 * MS, 0),
        1,
        period_s * SECOND,
    )
    return rack


def check_whole(rack: VirtualRack) -> None:
    """After the faults: every device present, fresh, and doing what it is told; counts as the devices have them."""
    if rack.owner is None or rack.host is None:
        raise Violation("the host is not back")
    for device, fact in rack.owner.facts.items():
        if not (fact.present and fact.fresh and not fact.fault and fact.act in ("", "held") and not fact.safe_active):
            brief = fact._replace(rows=None)
            raise Violation(f"{device} is not whole: {brief}, refused {rack.nodes[device].machine.refused}")
        if fact.acted_window != rack.owner.window - 1:
            raise Violation(f"{device} acts on window {fact.acted_window}, not {rack.owner.window - 1}")
