"""What the host tells of its devices: at the end of a window, in its log, and to people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Mapping, NamedTuple, Optional

import numpy as np

from octogym.bridge.protocol.messages import Hello
from octogym.bridge.protocol.observations import ObsRows

#: Values of `NodeFacts.fault` beside the codes that nodes themselves send, and "" for none.
LINK_DOWN = "LINK_DOWN"  # the transport has lost the device
STALE = "STALE"  # connected, but the window's tick is missing: a stuck interpreter, or a lost message
CLOCK = "CLOCK"  # its windows were off the host's grid; it is being started anew
RESTARTED = "RESTARTED"  # the process is a new one; it is being placed again
JOINING = "JOINING"  # connected, not started yet
DEPLOY = "DEPLOY"  # it cannot run its deployment
BYE = "BYE"  # left on purpose
REVOKED = "REVOKED"  # its key is no longer in the roster
ABSENT = "ABSENT"  # never heard of in this session

#: Values of `NodeFacts.act` beside "" (applied) and what the node answers ("held", "late", "early", "invalid", ...).
UNSENT = "unsent"  # none was given for this window, or the device was not there
UNANSWERED = "unanswered"  # sent, no answer so far


class Event(NamedTuple):
    """A line of the host's log. `t_ns`: the owner's clock."""

    t_ns: int
    device: str
    kind: str
    text: str


class NodeFacts(NamedTuple):
    """One device after `collect(window)`.

    Attributes:
        present: connected and counting windows; its decisions can be applied.
        fresh: the observation of this very window is here, known to have been taken after it began.
        age_ns: time since the end of the window that `rows` describes; -1 without rows.
        missed: windows since that one.
        late: observations that came after their window had been collected, since the last collect.
        act: what became of the decision for this window.
        acted_window: the window of the decision in force; -1 none.
        safe_active: an instance runs its safe settings.
        window_ns: time that the counts new in `rows` cover, measured by the node; 0 if there are none.
        windows: windows that they cover.
        rows: the device's counts of the episode and its last known state. The object is overwritten by the next
            `collect`. None before the first observation.
        bins: intp [n], the bins of `rows.histograms` (in one row) that the last `collect` has changed.
    """

    device: str
    present: bool
    fresh: bool
    age_ns: int
    missed: int
    late: int
    fault: str
    text: str
    act: str
    acted_window: int
    safe_active: bool
    link_down: bool
    stale: bool
    window_ns: int
    windows: int
    rows: Optional[ObsRows]
    bins: np.ndarray


@dataclass(frozen=True)
class NodeStatus:
    """One device, for people.

    Attributes:
        state: absent, revoked, lost, joining, failed or running.
        hello: what it said of itself; None before.
        version: of the protocol that both speak.
        epoch: how often it was placed, counted over all devices.
        offset_ns: its clock minus the host's, known to within `bound_ns`; None before the first Pong.
        silent_ns: time since its last word; -1 before.
        refused: its refused messages, by rule.
    """

    device: str
    state: str
    hello: Optional[Hello]
    version: int
    epoch: int
    offset_ns: Optional[int]
    bound_ns: Optional[int]
    silent_ns: int
    refused: Mapping[str, int]
