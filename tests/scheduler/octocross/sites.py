"""Small sites to learn from."""

from __future__ import annotations

import numpy as np

from octogym.scheduler.octocross.dataset import of_table
from octogym.scheduler.octocross.ids import DeviceIds


def waves(steps=160, nodes=5, seed=0, **more):
    """Loads that go up and down around different levels: their next samples can be told from their past."""
    rng = np.random.default_rng(seed)
    level, phase = rng.uniform(4, 14, nodes), rng.uniform(0, 2 * np.pi, nodes)
    t = np.arange(steps)[:, None]
    loads = level + 0.5 * level * np.sin(2 * np.pi * t / 20 + phase) + rng.normal(0, 0.3, (steps, nodes))
    more = {"horizon": 6, **more}
    return of_table("waves", [f"n{k}" for k in range(nodes)], np.maximum(loads, 0), **more)


def numbers(*sites, rows=64):
    """Rows for the cameras of the sites."""
    ids = DeviceIds(rows)
    for site in sites:
        ids.add([name for name, server in zip(site.nodes, site.servers, strict=True) if not server])
    return ids
