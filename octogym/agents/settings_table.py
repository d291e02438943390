"""Fixed settings by name: of all instances, of a model, of a stage, of a stage on one device type, of one instance."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from octogym.agents.errors import PolicyError
from octogym.cluster.decision import Decision
from octogym.cluster.settings import DEADLINE, MAX_THREADS
from octogym.cluster.topology import Cluster, Instance

#: Target of settings that hold for every instance.
EVERY = "*"
FIELDS = ("pack", "batch", "pre", "post", "timeout_ms")
#: target -> field -> value
Table = Mapping[str, Mapping[str, float]]


def parse_settings(text: str) -> dict[str, dict[str, float]]:
    """The table that `text` writes: `batch=4,pre=2,car.batch=8,nx-1/traffic.car.batch=2,timeout_ms=deadline`.

    Each item is [TARGET.]FIELD=VALUE. PolicyError names the item that cannot be read and what is allowed.
    """
    table: dict[str, dict[str, float]] = {}
    for item in filter(None, (part.strip() for part in text.split(","))):
        key, equals, value = item.partition("=")
        target, _, field = key.strip().rpartition(".")
        if not equals or field not in FIELDS:
            raise PolicyError(f"setting {item!r}: expected [TARGET.]FIELD=VALUE with FIELD one of {', '.join(FIELDS)}")
        table.setdefault(target or EVERY, {})[field] = _value(item, field, value.strip())
    return table


def read_settings(file: str | Path) -> dict[str, dict[str, float]]:
    """The table of a JSON file {"settings": {TARGET: {FIELD: VALUE}}}. PolicyError names file, target and field."""
    try:
        content = json.loads(Path(file).read_text(encoding="utf-8"))
    except OSError as error:
        raise PolicyError(f"{file}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise PolicyError(f"{file}: no JSON: {error}") from error
    settings = content.get("settings") if isinstance(content, dict) else None
    if not isinstance(settings, dict) or not all(isinstance(fields, dict) for fields in settings.values()):
        raise PolicyError(f'{file}: expected {{"settings": {{TARGET: {{FIELD: VALUE}}}}}}')
    table: dict[str, dict[str, float]] = {}
    for target, fields in settings.items():
        for field, value in fields.items():
            if field not in FIELDS:
                raise PolicyError(f"{file}: {target}: {field}: expected one of {', '.join(FIELDS)}")
            table.setdefault(target, {})[field] = _value(f"{file}: {target}.{field}", field, str(value))
    return table


def _value(item: str, field: str, text: str) -> float:
    if field == "timeout_ms" and text == "deadline":
        return DEADLINE
    try:
        value = float(text) if field == "timeout_ms" else int(text)
    except ValueError:
        value = np.nan
    low, allowed = (0, "0 (none), milliseconds, or deadline") if field == "timeout_ms" else (1, "a whole number from 1")
    if field == "timeout_ms" and value == DEADLINE:
        return DEADLINE
    if not low <= value < 1e6:
        raise PolicyError(f"setting {item}: {text!r}: expected {allowed}")
    return value


def targets_of(cluster: Cluster, instance: Instance) -> tuple[str, ...]:
    """The targets that hold for an instance, from the general to the particular; a later one overrides."""
    stage, device = cluster.stages[instance.stage], cluster.devices[instance.device]
    return (EVERY, stage.model, stage.name, f"{device.type.name}/{stage.name}", instance.id)


def fixed_decision(table: Table, cluster: Cluster, num_envs: int) -> Decision:
    """The decision that sets what the table states and keeps the rest.

    A value for several instances is clipped to each one's limit; one for a single instance must be within it.

    Raises:
        PolicyError: a target that the cluster does not have, or an instance's value beyond its limit.
    """
    _check_targets(table, cluster)
    decision = Decision.keep(cluster, num_envs)
    for s, instance in enumerate(cluster.instances):
        limits = {"pack": instance.max_pack, "batch": instance.max_batch, "pre": MAX_THREADS, "post": MAX_THREADS}
        chosen: dict[str, float] = {}
        for target in targets_of(cluster, instance):
            for field, value in table.get(target, {}).items():
                if target == instance.id and value > limits.get(field, np.inf):
                    raise PolicyError(f"{target}: {field} = {value}: expected 1 to {limits[field]}")
                chosen[field] = value
        for field, value in chosen.items():
            if field == "timeout_ms":
                decision.timeout_ns[:, s] = DEADLINE if value == DEADLINE else round(value * 1e6)
            else:
                getattr(decision, field)[:, s] = min(int(value), limits[field])
    return decision


def _check_targets(table: Table, cluster: Cluster) -> None:
    known = {target for instance in cluster.instances for target in targets_of(cluster, instance)}
    unknown = sorted(set(table) - known)
    if unknown:
        raise PolicyError(f"no instance for {unknown[0]!r}; {cluster.name} has {_some(known - {EVERY})}")


def _some(names: Iterable[str]) -> str:
    names = sorted(names, key=lambda name: (name.count("/"), name))
    return ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")
