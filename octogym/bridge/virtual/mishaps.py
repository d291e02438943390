"""How each kind of fault befalls a virtual rack."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from octogym.bridge.protocol import messages as m
from octogym.bridge.protocol.clock import MS
from octogym.bridge.protocol.codec import MAX_CONTROL, encode
from octogym.bridge.virtual.faults import SECOND, Fault
from octogym.bridge.virtual.processes import Clock, Node
from octogym.bridge.virtual.rack import VirtualRack

#: Time in which the transport gives up a silent connection.
GIVE_UP_NS = 350 * MS


def inject(rack: VirtualRack, faults: Sequence[Fault]) -> None:
    """Let each fault happen when its time comes."""
    for fault in faults:
        rack.at(fault.begin_ns, _BEGIN[fault.kind], rack, fault)
        if fault.kind in _END:
            rack.at(fault.end_ns, _END[fault.kind], rack, fault)


# --- links -----------------------------------------------------------------------------------------------------------


def _rate(name: str, most: float) -> tuple[Callable[..., None], Callable[..., None]]:
    """A share of messages, for a while."""

    def begin(rack: VirtualRack, fault: Fault) -> None:
        setattr(rack.links[fault.device], name, most * fault.amount)

    def end(rack: VirtualRack, fault: Fault) -> None:
        setattr(rack.links[fault.device], name, 0.0)

    return begin, end


def _delay(rack: VirtualRack, fault: Fault) -> None:
    rack.links[fault.device].delay_ns = 1 + int(1.5 * fault.amount * rack.period_ns)


def _no_delay(rack: VirtualRack, fault: Fault) -> None:
    rack.links[fault.device].delay_ns = 0


def _reset(rack: VirtualRack, fault: Fault) -> None:
    rack.links[fault.device].generation += 1
    rack.tell_link(fault.device, False)
    rack.at(rack.now_ns + 50 * MS, rack.tell_link, fault.device, True)


def _cut(rack: VirtualRack, fault: Fault) -> None:
    rack.links[fault.device].cut += 1
    rack.at(rack.now_ns + GIVE_UP_NS, _give_up, rack, fault.device)


def _give_up(rack: VirtualRack, device: str) -> None:
    """The transport of either end gives up a connection on which nothing has come."""
    if rack.links[device].cut or rack.nodes[device].held:
        rack.links[device].generation += 1
        rack.tell_link(device, False)


def _join(rack: VirtualRack, fault: Fault) -> None:
    rack.links[fault.device].cut -= 1
    rack.at(rack.now_ns + 100 * MS, _reconnect, rack, fault.device)


def _reconnect(rack: VirtualRack, device: str) -> None:
    node = rack.nodes[device]
    if not rack.links[device].cut and not node.held and node.machine is not None:
        rack.tell_link(device, True)


def _oversized(rack: VirtualRack, fault: Fault) -> None:
    rack.to_host(rack.nodes[fault.device].key, [bytes(MAX_CONTROL + 1)])


# --- nodes -----------------------------------------------------------------------------------------------------------


def _freeze(rack: VirtualRack, fault: Fault) -> None:
    """SIGSTOP: the transport stands still too, so the host loses the connection."""
    rack.hold(rack.nodes[fault.device], 1)
    rack.at(rack.now_ns + GIVE_UP_NS, _give_up, rack, fault.device)


def _thaw(rack: VirtualRack, fault: Fault) -> None:
    rack.hold(rack.nodes[fault.device], -1)
    rack.at(rack.now_ns + 100 * MS, _reconnect, rack, fault.device)


def _stuck(rack: VirtualRack, fault: Fault) -> None:
    """The interpreter is busy; the transport's own threads go on."""
    rack.hold(rack.nodes[fault.device], 1)


def _unstuck(rack: VirtualRack, fault: Fault) -> None:
    rack.hold(rack.nodes[fault.device], -1)


def _die(rack: VirtualRack, fault: Fault) -> None:
    rack.kill(rack.nodes[fault.device])


def _restart(rack: VirtualRack, fault: Fault) -> None:
    rack.boot(rack.nodes[fault.device])


def _reboot(rack: VirtualRack, fault: Fault) -> None:
    """The device's clock begins anew too."""
    node = rack.nodes[fault.device]
    node.clock = Clock(rack.now_ns, rack.draw.randrange(60 * SECOND))
    rack.boot(node)


def _old_version(rack: VirtualRack, fault: Fault) -> None:
    node = rack.nodes[fault.device]
    rack.kill(node)
    rack.boot(node, versions=(max(m.SPOKEN) + 7,))


def _set_clock(rack: VirtualRack, fault: Fault, step_ns: int = 0, ppm: int | None = None) -> None:
    node = rack.nodes[fault.device]
    node.clock.set(rack.now_ns, step_ns, ppm)
    rack.settle(node)


def _step(rack: VirtualRack, fault: Fault) -> None:
    _set_clock(rack, fault, step_ns=_step_ns(fault))


def _step_ns(fault: Fault) -> int:
    return int((fault.amount - 0.5) * 10 * SECOND)


def _drift(rack: VirtualRack, fault: Fault) -> None:
    _set_clock(rack, fault, ppm=int((fault.amount - 0.5) * 1_000))


def _no_drift(rack: VirtualRack, fault: Fault) -> None:
    _set_clock(rack, fault, ppm=0)


# --- keys ------------------------------------------------------------------------------------------------------------


def _stranger(rack: VirtualRack, fault: Fault) -> None:
    for k in range(20):
        hello = m.Hello(list(m.SPOKEN), fault.device, 1 + k, 1)
        rack.at(rack.now_ns + k * MS, rack.to_host, b"stranger-%d" % k, encode(hello))


def _flood(rack: VirtualRack, fault: Fault) -> None:
    """A known key sends far more than it may, all of it well-formed."""
    node, session = rack.nodes[fault.device], 0 if rack.host is None else rack.host.session
    bye = encode(m.Fault(session, 1, 0, -1, "noise"))
    for k in range(1000):
        rack.at(rack.now_ns + k * MS // 2, rack.to_host, node.key, bye)


def _claim(rack: VirtualRack, fault: Fault) -> None:
    """A device says that it is another one."""
    others = [device for device in rack.nodes if device != fault.device]
    hello = m.Hello(list(m.SPOKEN), others[0] if others else "nobody", 1 + rack.draw.randrange(2**60), 1)
    rack.to_host(rack.nodes[fault.device].key, encode(hello))


def _clone(rack: VirtualRack, fault: Fault) -> None:
    """A second process with the same key takes over, and the first one dies unheard."""
    node = rack.nodes[fault.device]
    old = Node(node.device, node.key, Clock(rack.now_ns, 0), node.machine, node.owner, held=1)
    rack.boot(node)
    if old.machine is not None:
        rack.at(rack.now_ns + 300 * MS, _last_words, rack, old)


def _last_words(rack: VirtualRack, old: Node) -> None:
    if old.machine is not None:
        for _, frames in old.machine.outbox():
            rack.to_host(old.key, frames)


# --- the host --------------------------------------------------------------------------------------------------------


def _host_dies(rack: VirtualRack, fault: Fault) -> None:
    rack.kill_host()


def _host_again(rack: VirtualRack, fault: Fault) -> None:
    if rack.host is None:
        rack.start_host()


def _host_stuck(rack: VirtualRack, fault: Fault) -> None:
    rack.hold_host(1)


def _host_unstuck(rack: VirtualRack, fault: Fault) -> None:
    rack.hold_host(-1)


def _host_step(rack: VirtualRack, fault: Fault) -> None:
    rack.host_clock.set(rack.now_ns, _step_ns(fault))
    rack.settle_host()


_loss, _no_loss = _rate("loss", 0.9)
_duplicate, _no_duplicate = _rate("duplicate", 1.0)
_reorder, _no_reorder = _rate("reorder", 0.8)
_corrupt, _no_corrupt = _rate("corrupt", 0.6)

_BEGIN: dict[str, Callable[[VirtualRack, Fault], None]] = {
    "loss": _loss,
    "delay": _delay,
    "duplicate": _duplicate,
    "reorder": _reorder,
    "reset": _reset,
    "partition": _cut,
    "corrupt": _corrupt,
    "oversized": _oversized,
    "freeze": _freeze,
    "stuck": _stuck,
    "restart": _die,
    "reboot": _die,
    "version": _old_version,
    "clock_step": _step,
    "drift": _drift,
    "stranger": _stranger,
    "flood": _flood,
    "claim": _claim,
    "clone": _clone,
    "host_death": _host_dies,
    "host_stuck": _host_stuck,
    "host_clock_step": _host_step,
}
_END: dict[str, Callable[[VirtualRack, Fault], None]] = {
    "loss": _no_loss,
    "delay": _no_delay,
    "duplicate": _no_duplicate,
    "reorder": _no_reorder,
    "partition": _join,
    "corrupt": _no_corrupt,
    "freeze": _thaw,
    "stuck": _unstuck,
    "restart": _restart,
    "reboot": _reboot,
    "version": _restart,
    "drift": _no_drift,
    "host_death": _host_again,
    "host_stuck": _host_unstuck,
}
