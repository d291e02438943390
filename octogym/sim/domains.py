"""Which devices must be played together: those that can exchange messages both ways, directly or through others."""

from __future__ import annotations

from octogym.cluster.topology import Cluster


def domains(cluster: Cluster) -> list[list[int]]:
    """Devices by domain; messages go from earlier domains to later ones only. Ties go to the lower device."""
    n = cluster.D
    reach = [1 << d for d in range(n)]
    for route in cluster.routes:
        camera = route.source - cluster.S
        source = cluster.cameras[camera].device if camera >= 0 else cluster.instances[route.source].device
        reach[source] |= 1 << cluster.instances[route.target].device
    for via in range(n):
        for d in range(n):
            if reach[d] >> via & 1:
                reach[d] |= reach[via]
    left, order = set(range(n)), []
    while left:
        # A part that nothing left, other than itself, can send to.
        first = min(d for d in left if all(not reach[o] >> d & 1 or reach[d] >> o & 1 for o in left))
        part = sorted(d for d in left if reach[first] >> d & 1 and reach[d] >> first & 1)
        order.append(part)
        left.difference_update(part)
    return order
