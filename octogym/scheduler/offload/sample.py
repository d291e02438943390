"""What is known of one cluster when a decision about offloading is due."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from octogym.cluster.offloading import views

#: Part of what a node sustains that counts as its capacity (OctoCross specification 7.6): one that runs at what it
#: sustains has no time left for requests to wait.
PLANNED = 0.8


@dataclass(frozen=True)
class Sample:
    """M nodes, in the order of `OffloadLayout`: the N agents' devices, other devices, servers last.

    Loads and capacities are objects per frame: crops/s divided by `fps`.

    Attributes:
        names: [M] device ids.
        agents: N; nodes 0 to N - 1 have cameras.
        t_s: time of the cluster, seconds since the start.
        history: float64 [M, tau], what a node's own cameras asked for, one sample per second, latest last; 0 for nodes
            without cameras.
        seen: how many of the tau samples were really seen; older ones hold the first.
        processed: float64 [M], what arrived to be worked on, after offloading; mean of 3 s.
        capacity: float64 [M], what a node may be asked for (C_n): `PLANNED` of what it sustains.
        views: float64 [3, M, M] in [0, 1], zero diagonal: physical, network, resource (`octogym.cluster.offloading`);
            0 where either node is not there.
        valid: bool [M], nodes that are there.
        servers: bool [M].
        routes: bool [M, M], there is a way from i to j, however good its links are now; both are there.
        edges: bool [M, M], i may send to j now: the best connected targets of each node, and servers.
        queue: float64 [M], requests that wait at later stages.
        up_bps, down_bps: float64 [M], rates of the nodes' links, bit/s.
        crop_bytes: float64 [M], of one crop; of nodes without cameras the mean of the others.
        latency_s: of a link, one way.
        fps: mean frame rate of the agents' cameras, by which crops/s were divided.
    """

    names: tuple[str, ...]
    agents: int
    t_s: float
    history: np.ndarray
    seen: int
    processed: np.ndarray
    capacity: np.ndarray
    views: np.ndarray
    valid: np.ndarray
    servers: np.ndarray
    routes: np.ndarray
    edges: np.ndarray
    queue: np.ndarray
    up_bps: np.ndarray
    down_bps: np.ndarray
    crop_bytes: np.ndarray
    latency_s: float
    fps: float

    @property
    def load(self) -> np.ndarray:
        """float64 [M], what the nodes' own cameras ask for now."""
        latest: np.ndarray = self.history[:, -1]
        return latest


def adjacency(
    physical: np.ndarray,
    up_bps: np.ndarray,
    down_bps: np.ndarray,
    crop_bytes: np.ndarray,
    latency_s: float,
    processed: np.ndarray,
    capacity: np.ndarray,
    valid: np.ndarray,
) -> np.ndarray:
    """float64 [3, M, M]: the three views of M nodes, 0 on the diagonal and where either node is not there.

    Args:
        physical: [K, K], as learned or known, of the first K nodes; 0 for the others.
        up_bps, down_bps: [M] bit/s. crop_bytes: [M]. latency_s: one way.
        processed, capacity: [M] in the same unit.
        valid: bool [M].
    """
    nodes = len(valid)
    out = np.zeros((3, nodes, nodes))
    known = len(physical)
    out[0, :known, :known] = physical
    up, down = np.asarray(up_bps, np.float64), np.asarray(down_bps, np.float64)
    sizes = np.broadcast_to(crop_bytes, (nodes,))
    for size in np.unique(sizes):
        # Faster links make a view larger, so that of the slower link of two is the smaller view of the two.
        rows = np.flatnonzero(sizes == size)
        ways = views.network(up[rows], size, latency_s)[:, None], views.network(down, size, latency_s)[None, :]
        out[1, rows] = np.minimum(*ways)
    out[2] = views.room(processed, capacity)
    gone = np.flatnonzero(~np.asarray(valid, bool))
    out[:, gone, :] = 0.0
    out[:, :, gone] = 0.0
    at = np.arange(nodes)
    out[:, at, at] = 0.0
    return out
