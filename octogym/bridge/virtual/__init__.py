"""A rack in one thread on a virtual clock, with faults drawn from a seed: what the protocol is tested on."""

from octogym.bridge.virtual.faults import KINDS, SECOND, Fault, draw_faults
from octogym.bridge.virtual.mishaps import inject
from octogym.bridge.virtual.owner import Owner
from octogym.bridge.virtual.rack import VirtualRack

__all__ = ["KINDS", "SECOND", "Fault", "Owner", "VirtualRack", "draw_faults", "inject"]
