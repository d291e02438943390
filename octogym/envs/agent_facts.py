"""What infos say of how well an agent's device is heard: from the backend where it knows, else from the telemetry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from octogym.cluster.backend import Backend
from octogym.cluster.telemetry import BY_SAFE, Telemetry

#: Info key -> type of its values. A backend's `agent_facts()` has them as arrays [1, S], and `window_s`.
FACTS: Mapping[str, type] = {"late": int, "missed": int, "fault": str, "safe_active": bool, "acted_window": int}


def told(backend: Backend) -> Mapping[str, np.ndarray] | None:
    """What the backend itself says since its last reset or step; None if it says nothing of the kind."""
    say = getattr(backend, "agent_facts", None)
    return None if say is None else say()


def derived(
    present: np.ndarray, valid: np.ndarray, age_ns: np.ndarray, set_by: np.ndarray, t_ns: Any, period_ns: int
) -> dict[str, np.ndarray]:
    """The same of a backend whose devices are all heard while they are there. `t_ns` [E, 1], the others [E, S].

    Whether an absent device runs its safe settings nobody knows.
    """
    missed = (age_ns // period_ns).astype(np.int64)
    fault = np.where(present > 0, np.where(valid > 0, "", "STALE"), "LINK_DOWN").astype(object)
    return {
        "late": np.zeros_like(missed),
        "missed": missed,
        "fault": fault,
        "safe_active": (set_by == BY_SAFE) & (present > 0),
        "acted_window": np.maximum(-1, (t_ns // period_ns).astype(np.int64) - 1 - missed),
    }


def facts_of(backend: Backend, t: Telemetry) -> Mapping[str, np.ndarray]:
    """`FACTS` of every instance, [E, S]."""
    found = told(backend)
    if found is not None:
        return found
    devices = [instance.device for instance in backend.cluster.instances]
    present, period_ns = t.present[:, devices], backend.cluster.period_ns
    return derived(present, t.valid, t.age_ns, t.set_by, t.t_ns[:, None], period_ns)
