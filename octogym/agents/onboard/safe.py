"""What a device sets when nobody decides for it: the safe settings that its instances declare."""

from __future__ import annotations

from typing import Optional

from octogym.agents.onboard.errors import IAgentError
from octogym.cluster.decision import Decision
from octogym.cluster.topology import Cluster


def safe_decision(cluster: Cluster, device: Optional[str] = None, num_envs: int = 1) -> Decision:
    """A decision with the declared safe settings of every instance on `device` (of all, if None); whether they are
    active, their routes' shares, and all other instances keep what is in force.

    Raises:
        IAgentError: a device that the cluster does not have.
    """
    ids = [d.id for d in cluster.devices]
    if device is not None and device not in ids:
        raise IAgentError(f"device {device!r}: expected one of {', '.join(ids)}")
    decision = Decision.keep(cluster, num_envs)
    for s, instance in enumerate(cluster.instances):
        if device is None or ids[instance.device] == device:
            safe = instance.safe
            decision.pack[:, s], decision.batch[:, s] = safe.pack, safe.batch
            decision.pre[:, s], decision.post[:, s] = safe.pre, safe.post
            decision.timeout_ns[:, s] = safe.timeout_ns
    return decision
