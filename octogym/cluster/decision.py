"""Decision: what is set for one window (docs/contract.md, Arrays)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Optional, Union

import numpy as np

from octogym.cluster.settings import DEADLINE, KEEP, KEEP_SHARE, MAX_THREADS
from octogym.cluster.topology import Cluster


@dataclass
class Decision:
    """Struct of arrays; E environments, S instances, R routes. `KEEP` (-1; 65535 for a share) keeps what is in force.

    `share_milli` sums to 1000 over the routes of one group, or is `KEEP_SHARE` for all of them.
    """

    active: np.ndarray  # int8 [E, S]
    pack: np.ndarray  # int32 [E, S], images per frame
    batch: np.ndarray  # int32 [E, S], frames per batch
    pre: np.ndarray  # int32 [E, S], threads
    post: np.ndarray  # int32 [E, S], threads
    timeout_ns: np.ndarray  # int64 [E, S]; 0 = none, DEADLINE = deadline batching
    share_milli: np.ndarray  # uint16 [E, R]

    FIELDS = ("active", "pack", "batch", "pre", "post", "timeout_ns", "share_milli")

    @classmethod
    def keep(cls, cluster: Cluster, num_envs: int = 1) -> Decision:
        """A decision that changes nothing."""
        shape = (num_envs, cluster.S)
        return cls(
            active=np.full(shape, KEEP, np.int8),
            pack=np.full(shape, KEEP, np.int32),
            batch=np.full(shape, KEEP, np.int32),
            pre=np.full(shape, KEEP, np.int32),
            post=np.full(shape, KEEP, np.int32),
            timeout_ns=np.full(shape, KEEP, np.int64),
            share_milli=np.full((num_envs, cluster.R), KEEP_SHARE, np.uint16),
        )

    def copy(self) -> Decision:
        return replace(self, **{name: getattr(self, name).copy() for name in self.FIELDS})

    def validate(self, cluster: Cluster, num_envs: int) -> None:
        """ValueError naming array, environment, instance and what is allowed, if anything is out of range."""
        for name in self.FIELDS:
            width = cluster.R if name == "share_milli" else cluster.S
            array = getattr(self, name)
            if array.shape != (num_envs, width):
                raise ValueError(f"decision.{name}: shape {array.shape}, expected {(num_envs, width)}")
        limits = cluster.limits
        self._check(cluster, "active", KEEP, 1, "-1, 0 or 1")
        for name, limit in (("pack", limits[0]), ("batch", limits[1]), ("pre", MAX_THREADS), ("post", MAX_THREADS)):
            self._check(cluster, name, KEEP, limit, "-1 or 1 to the instance's limit", forbidden=0)
        self._check(cluster, "timeout_ns", DEADLINE, None, "-2 (deadline), -1 (keep), 0 (none) or nanoseconds")
        self._check_shares(cluster)

    def _check(
        self,
        cluster: Cluster,
        name: str,
        least: int,
        most: Union[int, np.ndarray, None],
        allowed: str,
        forbidden: Optional[int] = None,
    ) -> None:
        array = getattr(self, name)
        if array.size == 0:
            return
        # Whole arrays first: the good case is the common one.
        within = array.min() >= least and (most is None or (array <= most).all())
        if within and (forbidden is None or (array != forbidden).all()):
            return
        bad = array < least
        if most is not None:
            bad |= array > most
        if forbidden is not None:
            bad |= array == forbidden
        e, s = (int(x[0]) for x in np.nonzero(bad))
        raise ValueError(f"decision.{name}[{e}, {cluster.instances[s].id}] = {array[e, s]}; allowed: {allowed}")

    def _check_shares(self, cluster: Cluster) -> None:
        if not cluster.R or (self.share_milli == KEEP_SHARE).all():
            return
        group = np.array([route.group for route in cluster.routes])
        kept = self.share_milli == KEEP_SHARE
        for e in range(len(kept)):
            total = np.bincount(group, np.where(kept[e], 0, self.share_milli[e]), cluster.groups)
            keeps = np.bincount(group, kept[e], cluster.groups)
            size = np.bincount(group, minlength=cluster.groups)
            bad = ~((keeps == size) | ((keeps == 0) & (total == 1000)))
            if bad.any():
                g = int(np.nonzero(bad)[0][0])
                source = next(route for route in cluster.routes if route.group == g)
                raise ValueError(
                    f"decision.share_milli[{e}]: routes of source {source.source} to "
                    f"{cluster.stages[source.stage].name} sum to "
                    f"{int(total[g])} with {int(keeps[g])} kept; allowed: 1000 in all, or {KEEP_SHARE} for every one"
                )
