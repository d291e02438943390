"""Fixed shares by name: source id -> target id -> thousandths."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from octogym.agents.errors import PolicyError
from octogym.cluster.settings import KEEP_SHARE
from octogym.cluster.topology import Cluster

Shares = Mapping[str, Mapping[str, int]]


def read_shares(file: str | Path) -> dict[str, dict[str, int]]:
    """The shares of a JSON file {"settings": ..., "shares": {SOURCE: {TARGET: THOUSANDTHS}}}, none if it has none.

    Raises:
        PolicyError: naming file, source and target of what cannot be read.
    """
    try:
        content = json.loads(Path(file).read_text(encoding="utf-8"))
    except OSError as error:
        raise PolicyError(f"{file}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise PolicyError(f"{file}: no JSON: {error}") from error
    shares = content.get("shares", {}) if isinstance(content, dict) else None
    if not isinstance(shares, dict) or not all(isinstance(targets, dict) for targets in shares.values()):
        raise PolicyError(f'{file}: expected "shares": {{SOURCE: {{TARGET: THOUSANDTHS}}}}')
    for source, targets in shares.items():
        for target, share in targets.items():
            if isinstance(share, bool) or not isinstance(share, int) or not 0 <= share <= 1000:
                raise PolicyError(f"{file}: {source}.{target} = {share!r}: expected a whole number, 0 to 1000")
    return shares


def fixed_shares(shares: Shares, cluster: Cluster) -> np.ndarray:
    """uint16 [R]: what the table states, 0 on a source's other routes to the same stage, `KEEP_SHARE` elsewhere.

    Raises:
        PolicyError: a source or target that the cluster does not have, or shares that do not sum to 1000.
    """
    fixed = np.full(cluster.R, KEEP_SHARE, np.uint16)
    groups: dict[str, dict[int, dict[str, int]]] = {}
    for r, route in enumerate(cluster.routes):
        if route.source < cluster.S:
            of_source = groups.setdefault(cluster.instances[route.source].id, {})
            of_source.setdefault(route.group, {})[cluster.instances[route.target].id] = r
    for source, targets in shares.items():
        if source not in groups:
            raise PolicyError(f"shares: no source {source!r} in {cluster.name}; it has {_some(groups)}")
        for target in targets:
            if not any(target in routes for routes in groups[source].values()):
                known = [name for routes in groups[source].values() for name in routes]
                raise PolicyError(f"shares of {source}: no route to {target!r}; it has {_some(known)}")
        for routes in groups[source].values():
            stated = {target: targets[target] for target in routes if target in targets}
            if not stated:
                continue
            if sum(stated.values()) != 1000:
                raise PolicyError(f"shares of {source}: {dict(stated)} sum to {sum(stated.values())}, expected 1000")
            for target, r in routes.items():
                fixed[r] = stated.get(target, 0)
    return fixed


def _some(names: object) -> str:
    listed = list(names)  # type: ignore[call-overload]
    return ", ".join(listed[:20]) + (f" and {len(listed) - 20} more" if len(listed) > 20 else "")
