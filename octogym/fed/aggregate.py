"""Aggregation of named arrays (FCPO, Algorithm 1): equal averages of shared parts, loss-weighted action heads.

A parameter's name is `part.array`, for example `backbone.w1`. Arrays of one part with the same names and shapes form
a *group*; only members of one group are ever averaged, so a batch head of 8 actions never meets one of 16, nor one
that sees another resolution head (its input is wider). The result does not depend on the order of the members, to
the bit: they are taken in the order of their names and summed in float64.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from octogym.fed.errors import FedError

#: Parts that are averaged with equal weights: the backbone (its LayerNorm included) and the value head.
SHARED = ("backbone", "value")

#: "loss": heads weighted by loss, as FCPO has it; "equal": heads averaged like the shared parts.
WEIGHTINGS = ("loss", "equal")

_EPSILON = 1e-8


class Group(NamedTuple):
    """What may be averaged together: a part and the names and shapes of all its arrays, in order of name."""

    part: str
    shapes: tuple[tuple[str, tuple[int, ...]], ...]

    @property
    def label(self) -> str:
        """For example `batch@8,49x8`: the part, then the shapes in order of name."""
        return self.part + "@" + ",".join("x".join(map(str, shape)) for _, shape in self.shapes)


def part_of(name: str) -> str:
    """The part that a parameter belongs to: what stands before the first dot of its name."""
    return name.partition(".")[0]


def shapes_of(parameters: Mapping[str, np.ndarray]) -> dict[str, tuple[int, ...]]:
    """Name -> shape."""
    return {name: tuple(int(n) for n in np.shape(array)) for name, array in parameters.items()}


def groups_of(shapes: Mapping[str, tuple[int, ...]]) -> list[Group]:
    """The groups that an agent with parameters of these shapes belongs to, in order of part."""
    parts: dict[str, list[tuple[str, tuple[int, ...]]]] = {}
    for name in sorted(shapes):
        parts.setdefault(part_of(name), []).append((name, tuple(shapes[name])))
    return [Group(part, tuple(arrays)) for part, arrays in sorted(parts.items())]


@dataclass(frozen=True)
class GlobalModel:
    """What a server keeps between rounds. Empty before its first round, so that a random start is never averaged in.

    `groups`: group -> name -> float32 array. `makers`: group -> names of the clients whose parameters are in it.
    """

    groups: Mapping[Group, Mapping[str, np.ndarray]] = field(default_factory=dict)
    makers: Mapping[Group, frozenset[str]] = field(default_factory=dict)

    def parameters(self, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
        """Copies of what the model holds for an agent with parameters of these shapes (name -> shape); parts of which
        no round has seen the shapes are left out. For replies, and for the warm start of a new agent."""
        found: dict[str, np.ndarray] = {}
        for group in groups_of(shapes):
            for name, array in self.groups.get(group, {}).items():
                found[name] = array.copy()
        return found

    def named(self) -> dict[str, np.ndarray]:
        """All arrays under flat names, `batch@8,49x8/batch.b`; for checkpoints."""
        return {
            f"{group.label}/{name}": array for group, arrays in self.groups.items() for name, array in arrays.items()
        }

    def made_by(self) -> dict[str, list[str]]:
        """Group's label -> makers, sorted; for checkpoints."""
        return {group.label: sorted(names) for group, names in self.makers.items()}

    @classmethod
    def restored(cls, named: Mapping[str, np.ndarray], made_by: Mapping[str, Iterable[str]]) -> GlobalModel:
        """The model whose `named()` and `made_by()` these are."""
        arrays: dict[str, dict[str, np.ndarray]] = {}
        for key, array in named.items():
            label, _, name = key.partition("/")
            arrays.setdefault(label, {})[name] = array
        groups = {groups_of(shapes_of(found))[0]: found for found in arrays.values()}
        return cls(groups, {group: frozenset(made_by[group.label]) for group in groups})


@dataclass(frozen=True)
class Member:
    """One voice in an aggregation: a client, or a cluster of clients at the cloud.

    `weight` multiplies the member's weight in every group (1 for clients).
    """

    name: str
    loss: float
    groups: Mapping[Group, Mapping[str, np.ndarray]]
    makers: Mapping[Group, frozenset[str]]
    weight: float = 1.0

    @classmethod
    def client(cls, name: str, loss: float, parameters: Mapping[str, np.ndarray]) -> Member:
        """A client with parameters name -> float32 array."""
        groups = {
            group: {array: parameters[array] for array, _ in group.shapes} for group in groups_of(shapes_of(parameters))
        }
        return cls(name, float(loss), groups, {group: frozenset([name]) for group in groups})


class Aggregate(NamedTuple):
    """`shares`: group's label -> member's name -> share of the average; the global model's own share is under ""."""

    model: GlobalModel
    shares: dict[str, dict[str, float]]


def loss_weights(losses: Iterable[float]) -> list[float]:
    """w_c = 1 / (1e-8 + (loss_c - min loss) + s), s = median of |loss| within the group; the largest is scaled to 1.

    The paper calls the heads' aggregation loss-based and gives no formula; this one is bounded: the member with the
    smallest loss weighs at most (spread + s) / s times the one with the largest.
    """
    values = [float(loss) for loss in losses]
    size = sorted(abs(value) for value in values)
    middle = len(size) // 2
    scale = size[middle] if len(size) % 2 else size[middle - 1] / 2 + size[middle] / 2
    low = min(values)
    weights = [1.0 / (_EPSILON + scale + (value - low)) for value in values]
    largest = max(weights)
    return [weight / largest for weight in weights]


def aggregate(
    model: GlobalModel, members: Iterable[Member], weighting: str = "loss", mix_global: bool = True
) -> Aggregate:
    """The model after a round (FCPO, Algorithm 1).

    Shared parts: the plain average of the members and of the model's own group, where it has one. Heads: the
    average with `loss_weights`, the model's own group one more member with the mean weight of the others.
    A group that so far holds one client's parameters only, and gets those of the same client again, takes them as
    they are: with nobody to average with, federation changes nothing. Groups without a member stay as they are.

    Args:
        model: the server's model; it is not changed.
        members: in any order; the result is the same to the bit.
        weighting: of the heads, "loss" or "equal".
        mix_global: False leaves the model's own groups out of the averages.

    Raises:
        FedError: two members of one name, or an unknown weighting.
    """
    if weighting not in WEIGHTINGS:
        raise FedError(f"weighting = {weighting!r}: expected one of {', '.join(WEIGHTINGS)}")
    ordered = sorted(members, key=lambda member: member.name)
    for one, other in zip(ordered, ordered[1:]):  # noqa: B905, RUF007 (Python 3.8 has neither)
        if one.name == other.name:
            raise FedError(f"two members are called {one.name!r}")
    groups, makers = dict(model.groups), dict(model.makers)
    shares: dict[str, dict[str, float]] = {}
    for group in sorted({group for member in ordered for group in member.groups}):
        owners = [member for member in ordered if group in member.groups]
        if weighting == "equal" or group.part in SHARED:
            weights = [member.weight for member in owners]
        else:
            by_loss = loss_weights(member.loss for member in owners)
            weights = [weight * member.weight for weight, member in zip(by_loss, owners)]  # noqa: B905
        arrays = [member.groups[group] for member in owners]
        names = [member.name for member in owners]
        made: frozenset[str] = frozenset().union(*(member.makers[group] for member in owners))
        alone = len(owners) == 1 and made == model.makers.get(group)
        if mix_global and group in model.groups and not alone:
            weights.append(sum(weights) / len(weights))
            arrays.append(model.groups[group])
            names.append("")
            made |= model.makers[group]
        groups[group] = {name: _average([a[name] for a in arrays], weights) for name, _ in group.shapes}
        makers[group] = made
        total = sum(weights)
        shares[group.label] = {name: weight / total for name, weight in zip(names, weights)}  # noqa: B905
    return Aggregate(GlobalModel(groups, makers), shares)


def _average(arrays: list[np.ndarray], weights: list[float]) -> np.ndarray:
    total = np.zeros(np.shape(arrays[0]), np.float64)
    for array, weight in zip(arrays, weights):  # noqa: B905
        total += weight * np.asarray(array, np.float64)
    return (total / sum(weights)).astype(np.float32)
