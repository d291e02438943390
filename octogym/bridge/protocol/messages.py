"""The messages: one msgpack map each, told apart by `type` (docs/protocol.md, "Messages").

Within a version a message only gains fields at its end, with a default: readers ignore fields that they do not know,
and take the default for those that are absent. Whatever changes a meaning is a new version. `_ns` is int64 nanoseconds.
"""

from __future__ import annotations

from typing import Dict, List, Tuple, Type, Union

import msgspec

#: The version of this package, and those that it speaks, best first: its own and the one before.
VERSION = 1
SPOKEN = tuple(v for v in (VERSION, VERSION - 1) if v >= 1)


class Table(msgspec.Struct, array_like=True):
    """One array of the payload frame, as the msgpack array [name, dtype, shape]."""

    name: str
    dtype: str
    shape: List[int]


#: The tables of what is sent in every window: their bytes, which readers compare with those that they expect before
#: anything is made of them (octogym.bridge.protocol.tables: `encode_tables`, `decode_tables`).
RawTables = msgspec.Raw


class Hardware(msgspec.Struct):
    """What the node's device is. `type` is the scenario's device type; 0 = not known."""

    type: str = ""
    cores: int = 0
    gpus: int = 0
    lanes: int = 0
    memory_bytes: int = 0


class ModelFile(msgspec.Struct):
    """A model of the node's own store."""

    name: str
    sha256: str


class Peer(msgspec.Struct):
    """Another device, where its data socket listens and the key that it must show (hexadecimal)."""

    device: str
    address: str
    key: str


# --- the node's first word, the host's answer ------------------------------------------------------------------------


class Hello(msgspec.Struct, tag_field="type", tag="hello"):
    """Node to host: who I am. Repeated until a Welcome echoes `nonce`, which grows with each Hello of a boot."""

    versions: List[int]
    device: str
    boot: int
    nonce: int
    hardware: Hardware = msgspec.field(default_factory=Hardware)
    models: List[ModelFile] = msgspec.field(default_factory=list)
    sources: List[str] = msgspec.field(default_factory=list)
    about: Dict[str, str] = msgspec.field(default_factory=dict)


class Welcome(msgspec.Struct, tag_field="type", tag="welcome"):
    """Host to node: you are in `session`, and we speak `version`. `model_port`: where the host takes weights, at the
    address by which the node has found it; 0 = nowhere."""

    session: int
    nonce: int
    version: int
    period_ns: int
    model_port: int = 0


class Reject(msgspec.Struct, tag_field="type", tag="reject"):
    """Host to node: not you, or not so. `code` is a rule. Either a session is refused, `session`, or a Hello, that with
    `boot` and `nonce`; else they are 0."""

    session: int
    boot: int
    nonce: int
    code: str
    text: str


# --- placing and starting: host commands, answered one by one ---------------------------------------------------------


class Deploy(msgspec.Struct, tag_field="type", tag="deploy"):
    """Host to node: what you run from now on; begins `epoch`. The payload frame is the deployment, whose SHA-256 is
    `contract_hash`."""

    session: int
    epoch: int
    seq: int
    contract_hash: str


class Deployed(msgspec.Struct, tag_field="type", tag="deployed"):
    """Node to host: it runs (`code` empty), it is being made ready ("busy"), or why it cannot. `episode` is that of the
    last Reset, 0 before the first."""

    session: int
    epoch: int
    seq: int
    contract_hash: str
    episode: int
    code: str = ""
    text: str = ""


class Peers(msgspec.Struct, tag_field="type", tag="peers"):
    """Host to node: the devices that you may send to, all of them."""

    session: int
    epoch: int
    seq: int
    peers: List[Peer]


class Reset(msgspec.Struct, tag_field="type", tag="reset"):
    """Host to node: drain, take the initial settings, count from zero."""

    session: int
    epoch: int
    seq: int
    episode: int
    seed: int


class Start(msgspec.Struct, tag_field="type", tag="start"):
    """Host to node: window `window` begins `in_ns` after this message arrives."""

    session: int
    epoch: int
    seq: int
    window: int
    in_ns: int


class Started(msgspec.Struct, tag_field="type", tag="started"):
    """Node to host: my windows count from `window`."""

    session: int
    epoch: int
    seq: int
    window: int


class Ack(msgspec.Struct, tag_field="type", tag="ack"):
    """Node to host: message `seq` has arrived. `code`: "" done, "held" until its window begins, or why not: "late",
    "early", "invalid", "superseded"."""

    session: int
    epoch: int
    seq: int
    code: str = ""
    text: str = ""


# --- every window ----------------------------------------------------------------------------------------------------


class Act(msgspec.Struct, tag_field="type", tag="act"):
    """Host to node: the decision for window `window`, in the payload's tables. `override` also sets instances that
    their onboard agents control."""

    session: int
    epoch: int
    seq: int
    window: int
    tables: RawTables
    override: bool = False


class Obs(msgspec.Struct, tag_field="type", tag="obs"):
    """Node to host, unasked at each tick: what is known at the end of window `window`.

    `windows`: how many windows ended since the Obs before (0 for the first, taken at the start). `window_ns`: measured
    time since then. `t_ns`: the node's clock. `heard`: newest window that the host has named in a Ping of this epoch;
    -1 none. `acted_window`: the window of the decision in force; -1 none. `safe`: an instance runs its safe settings.
    """

    session: int
    epoch: int
    seq: int
    window: int
    windows: int
    window_ns: int
    t_ns: int
    heard: int
    acted_window: int
    safe: bool
    tables: RawTables


class Ping(msgspec.Struct, tag_field="type", tag="ping"):
    """Host to node. `t1_ns`: the host's clock. `window`: the window on the host's grid now. `tick_ns`: when that window
    should end, on the node's clock; 0 = not known. `seen`: the highest `seq` of an Obs of this epoch that arrived."""

    session: int
    epoch: int
    t1_ns: int
    window: int
    tick_ns: int = 0
    seen: int = 0


class Pong(msgspec.Struct, tag_field="type", tag="pong"):
    """Node to host: `t1_ns` as received at `t2_ns` and answered at `t3_ns` (the node's clock); window `window` ends at
    `tick_ns` (the node's clock); -1 and 0 where windows are not counted yet."""

    session: int
    epoch: int
    t1_ns: int
    t2_ns: int
    t3_ns: int
    window: int
    tick_ns: int


class Fault(msgspec.Struct, tag_field="type", tag="fault"):
    """Node to host: something is wrong with an instance (`instance` >= 0, its row of the deployment) or the device."""

    session: int
    epoch: int
    window: int
    instance: int
    code: str
    text: str = ""


class Bye(msgspec.Struct, tag_field="type", tag="bye"):
    """Either way: I leave on purpose; no alarm."""

    session: int
    text: str = ""


# --- weights, on a socket of their own --------------------------------------------------------------------------------


class Model(msgspec.Struct, tag_field="type", tag="model"):
    """Either way: arrays of instance `instance` in the payload's tables, whose SHA-256 is `sha256`."""

    session: int
    kind: str
    instance: str
    round: int
    sha256: str
    tables: List[Table]


Message = Union[
    Hello, Welcome, Reject, Deploy, Deployed, Peers, Reset, Start, Started, Act, Ack, Obs, Ping, Pong, Fault, Bye, Model
]
#: What each side sends on the control socket.
FROM_NODE: Tuple[Type[msgspec.Struct], ...] = (Hello, Deployed, Started, Ack, Obs, Pong, Fault, Bye)
FROM_HOST: Tuple[Type[msgspec.Struct], ...] = (Welcome, Reject, Deploy, Peers, Reset, Start, Act, Ping, Bye)
#: Messages with a payload frame behind their header frame.
WITH_PAYLOAD = (Deploy, Act, Obs, Model)
