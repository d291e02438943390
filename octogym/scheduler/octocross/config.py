"""Sizes of the model and limits of its decisions."""

from __future__ import annotations

from dataclasses import dataclass

from octogym.scheduler.errors import SchedulerError

#: Names of the adjacency views, in the order of the model's input.
VIEWS = ("physical", "network", "resource")
#: Loads are divided by the node's capacity, or by this where that is smaller (objects per frame).
LEAST_CAPACITY = 1.0
#: Widths of the head: of a node's feature in the middle and at the end, and of queries and keys.
MIDDLE, FEATURE, KEY = 128, 64, 32


@dataclass(frozen=True)
class OctoCrossConfig:
    """Sizes of the model. None depends on the number of nodes.

    Attributes:
        history: samples per node that go in (tau), at one per second.
        horizon: samples that are forecast (Q).
        width: of the embeddings (d).
        blocks: spatio-temporal attention blocks (L).
        heads: attention heads of each kind per block.
        ffn: width of a block's feed-forward part, in multiples of ``width``.
        positions: rows of the positional table, the reserved ones of `ids` among them.
        neighbours: in clusters of more than ``dense_nodes`` nodes, spatial attention looks at so many nodes (itself
            among them) instead of all; None: always at all.
        dense_nodes: see ``neighbours``.
    """

    history: int = 32
    horizon: int = 32
    width: int = 32
    blocks: int = 8
    heads: int = 8
    ffn: int = 2
    positions: int = 256
    neighbours: int | None = None
    dense_nodes: int = 128

    def __post_init__(self) -> None:
        for name in ("history", "horizon", "width", "blocks", "heads", "ffn", "dense_nodes"):
            if getattr(self, name) < 1:
                raise SchedulerError(f"{name} = {getattr(self, name)}: expected a whole number from 1")
        if self.width % self.heads or self.width % 2:
            raise SchedulerError(f"width = {self.width}: expected an even multiple of heads = {self.heads}")
        if self.positions < 3:
            raise SchedulerError(f"positions = {self.positions}: expected at least 3 (two rows are reserved)")
        if self.neighbours is not None and self.neighbours < 1:
            raise SchedulerError(f"neighbours = {self.neighbours}: expected None or a whole number from 1")


#: `paper`: as published, with true spatial attention. `fast`: what a large cluster decides with.
PRESETS = {
    "paper": OctoCrossConfig(),
    "fast": OctoCrossConfig(horizon=16, blocks=3, neighbours=16),
}


def preset(name: str) -> OctoCrossConfig:
    """The preset of this name.

    Raises:
        SchedulerError: no such preset.
    """
    if name not in PRESETS:
        raise SchedulerError(f"preset = {name!r}: expected one of {', '.join(PRESETS)}")
    return PRESETS[name]


@dataclass(frozen=True)
class Limits:
    """Limits of an offloading decision. OctoCross section 3.1 names theta without a value; the values are ours.

    Attributes:
        theta: largest share of a node's load that one target may get, in (0, 1].
        beta: part of a target's free capacity that may be filled, in (0, 1].
        rounds: offers of what is left, at most.
        least_added: offering ends when a round moves less than this, objects per frame over all nodes.
        least_share: smaller shares stay at home, in [0, 1).
    """

    theta: float = 0.5
    beta: float = 0.9
    rounds: int = 10
    least_added: float = 1e-3
    least_share: float = 0.02

    def __post_init__(self) -> None:
        for name in ("theta", "beta"):
            if not 0 < getattr(self, name) <= 1:
                raise SchedulerError(f"{name} = {getattr(self, name)}: expected a number above 0, at most 1")
        if self.rounds < 1:
            raise SchedulerError(f"rounds = {self.rounds}: expected a whole number from 1")
        if self.least_added < 0:
            raise SchedulerError(f"least_added = {self.least_added}: expected a number from 0")
        if not 0 <= self.least_share < 1:
            raise SchedulerError(f"least_share = {self.least_share}: expected a number from 0, below 1")
