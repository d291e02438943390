"""The edges along which a cluster may offload."""

from __future__ import annotations

import numpy as np

#: Targets per node, servers not counted.
TARGETS = 4


def valid_edges(
    network_view: np.ndarray, valid: np.ndarray, servers: np.ndarray | None = None, targets: int = TARGETS
) -> np.ndarray:
    """bool [N, N]: each device may send to its ``targets`` best connected devices and to all servers that it reaches.

    Args:
        network_view: [N, N]; 0 is no connection. Equal ones: the lower index.
        valid: bool [N], nodes that are there.
        servers: bool [N]; they send to none.
    """
    count = len(network_view)
    server = np.zeros(count, bool) if servers is None else np.asarray(servers, bool)
    reaches = (network_view > 0) & valid[:, None] & valid[None, :] & ~server[:, None] & ~np.eye(count, dtype=bool)
    quality = np.where(reaches & ~server, network_view, 0.0)
    best = np.argsort(-quality, axis=1, kind="stable")[:, :targets]
    edges = np.zeros((count, count), bool)
    np.put_along_axis(edges, best, True, 1)
    return (edges & (quality > 0)) | (reaches & server)
