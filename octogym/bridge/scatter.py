"""Between a cluster's arrays and its devices' rows: where they stand, how decisions are cut."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from octogym.bridge.protocol.deployment import Deployment
from octogym.bridge.protocol.rows import SETTINGS, DecisionRows
from octogym.cluster.decision import Decision


class Places:
    """Where the rows of each device stand in the cluster's arrays.

    All devices' rows one after the other are the order of devices; `instances`, `routes`, `cameras` (intp) lead from
    there to the cluster's, and `spans` holds each device's slices of instances, routes and cameras.
    """

    def __init__(self, deployments: Sequence[Deployment]) -> None:
        parts = [(part.instance_index(), part.route_index(), part.camera_index()) for part in deployments]
        self.instances, self.routes, self.cameras = (np.concatenate(group) for group in zip(*parts, strict=True))
        self.spans: list[tuple[slice, slice, slice]] = []
        s = r = c = 0
        for instances, routes, cameras in parts:
            t, u, v = s + len(instances), r + len(routes), c + len(cameras)
            self.spans.append((slice(s, t), slice(r, u), slice(c, v)))
            s, r, c = t, u, v


class Cutter:
    """Cuts decisions into the rows of each device."""

    def __init__(self, deployments: Mapping[str, Deployment]) -> None:
        self._devices, self._places = list(deployments), Places(list(deployments.values()))

    def cut(self, decision: Decision) -> dict[str, DecisionRows]:
        """Every device's rows of environment 0, copies of the decision's."""
        places = self._places
        settings = np.stack([getattr(decision, name)[0] for name in SETTINGS]).astype(np.int32)[:, places.instances]
        timeout_ns, share_milli = decision.timeout_ns[0, places.instances], decision.share_milli[0, places.routes]
        return {
            device: DecisionRows(settings[:, s], timeout_ns[s], share_milli[r])
            for device, (s, r, _) in zip(self._devices, places.spans, strict=True)
        }
