"""The edges along which a cluster may offload."""

from __future__ import annotations

import numpy as np

#: Targets per node, servers not counted. The released code has 2, the specification 4, which leaves most of the free
#: capacity out of reach; so all policies have these.
TARGETS = 16
#: Views closer to each other than this count as equal.
_EQUAL = 1e-6


def valid_edges(
    network_view: np.ndarray, valid: np.ndarray, servers: np.ndarray | None = None, targets: int = TARGETS
) -> np.ndarray:
    """bool [N, N]: each device may send to its ``targets`` best connected devices and to all servers that it reaches.

    Args:
        network_view: [N, N]; 0 is no connection. Where only uplinks differ all targets of a node are equally near:
            equal ones are taken in the order of the nodes from the node's own place on, around, so that not all nodes
            have the same targets.
        valid: bool [N], nodes that are there.
        servers: bool [N]; they send to none.
    """
    count = len(network_view)
    server = np.zeros(count, bool) if servers is None else np.asarray(servers, bool)
    reaches = (network_view > 0) & valid[:, None] & valid[None, :] & ~server[:, None]
    np.fill_diagonal(reaches, False)
    devices = reaches & ~server
    if targets < count - 1:
        place = np.arange(count)
        around = (place - place[:, None]) % count / count
        rank = np.where(devices, around - np.floor(network_view / _EQUAL), 1.0)
        best = np.argpartition(rank, targets, axis=1)[:, :targets]
        chosen = np.zeros((count, count), bool)
        np.put_along_axis(chosen, best, True, 1)
        devices &= chosen
    return devices | (reaches & server)
