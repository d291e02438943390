"""The messages and the sans-I/O state machines that host and node share; runs on Python 3.8 (docs/protocol.md)."""

from __future__ import annotations

from octogym.bridge.protocol.codec import MAX_CONTROL, MAX_MODEL
from octogym.bridge.protocol.deployment import Deployment, contract_hash, deployments
from octogym.bridge.protocol.errors import RULES, DeployError, ProtocolError
from octogym.bridge.protocol.facts import Event, NodeFacts, NodeStatus
from octogym.bridge.protocol.greeting import Card
from octogym.bridge.protocol.host import HostMachine
from octogym.bridge.protocol.limits import Rates
from octogym.bridge.protocol.messages import SPOKEN, VERSION, Hardware, ModelFile, Peer
from octogym.bridge.protocol.node import NodeMachine
from octogym.bridge.protocol.observations import ObsRows
from octogym.bridge.protocol.rows import DecisionRows
from octogym.bridge.protocol.weights import Weights
from octogym.bridge.protocol.windows import NodeHost

__all__ = [
    "MAX_CONTROL",
    "MAX_MODEL",
    "RULES",
    "SPOKEN",
    "VERSION",
    "Card",
    "DecisionRows",
    "DeployError",
    "Deployment",
    "Event",
    "Hardware",
    "HostMachine",
    "ModelFile",
    "NodeFacts",
    "NodeHost",
    "NodeMachine",
    "NodeStatus",
    "ObsRows",
    "Peer",
    "ProtocolError",
    "Rates",
    "Weights",
    "contract_hash",
    "deployments",
]
