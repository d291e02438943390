"""Faults of a simulated rack: what happens to which node, when, for how long."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from octogym.cluster.errors import OctoGymError
from octogym.cluster.loading.document import choices

#: kind -> what happens to the node's session. Its device goes on as last told, as a device does.
KINDS = {
    "stuck": "its interpreter hangs; the transport lives on",
    "cut": "its link is gone; the node lives on",
    "blackhole": "nothing arrives on its link, in either direction, though no connection ends",
    "restart": "its process ends and comes back as a new one",
    "upgrade": "it says good-bye and comes back as a new process",
}
_FORM = re.compile(r"(?P<kind>[a-z]+):(?P<device>.+)@(?P<at>\d+(\.\d+)?)\+(?P<seconds>\d+(\.\d+)?)\Z")


class FaultError(OctoGymError, ValueError):
    """A fault that cannot be staged; the message says what is expected."""


@dataclass(frozen=True)
class Fault:
    """`kind` (one of `KINDS`) strikes `device` at second `at_s` of the first episode, for `seconds` (cluster time)."""

    kind: str
    device: str
    at_s: float
    seconds: float

    @property
    def end_s(self) -> float:
        return self.at_s + self.seconds

    @classmethod
    def parse(cls, text: str, devices: Sequence[str]) -> Fault:
        """From `KIND:DEVICE@AT+SECONDS`, for example `cut:cam-1@10+2.5`; FaultError says what is wrong."""
        match = _FORM.match(text)
        if match is None:
            raise FaultError(f"fault {text!r}: expected KIND:DEVICE@AT+SECONDS, for example cut:{devices[0]}@10+2.5")
        if match["kind"] not in KINDS:
            raise FaultError(f"fault {text!r}: kind {match['kind']!r}: expected {choices(match['kind'], KINDS)}")
        if match["device"] not in devices:
            raise FaultError(f"fault {text!r}: device: expected {choices(match['device'], devices)}")
        return cls(match["kind"], match["device"], float(match["at"]), float(match["seconds"]))
