"""What an adapter costs on top of the kernel, against the usual way of getting there."""

from __future__ import annotations

from dataclasses import replace

from benchmarks._speed import paths
from benchmarks._speed.paths import Path
from benchmarks._speed.result import Figure, Measured
from benchmarks._speed.timing import Budget, compare

#: Environments of 16 agents: as many rows as the lines with n=256 have.
ENVIRONMENTS = 16
_STEPS = 50


def supersuit(budget: Budget) -> Measured:
    """Microseconds per environment-step outside the kernel, 16 environments as 256 rows of an SB3 VecEnv.

    SuperSuit copies every info, which for ours means working out all their values; the ratio is to SuperSuit around an
    environment whose infos are empty, the other one is a figure.
    """
    ours, peer = paths.sb3(_STEPS, ENVIRONMENTS), paths.supersuit(_STEPS, ENVIRONMENTS, infos=False)
    found = _overheads("SuperSuit", ours, peer, budget)
    as_it_is = compare(paths.supersuit(_STEPS, ENVIRONMENTS).overhead, ours.overhead, budget)
    alone = paths.sb3(_STEPS, 1), paths.supersuit(_STEPS, 1, infos=False)
    more = [
        Figure("SuperSuit with our infos", 1e6 / as_it_is.ours, "µs"),
        Figure("and that ratio", as_it_is.ratio, "x"),
    ]
    return replace(found, figures=(*found.figures, *more, *_of_one("SuperSuit", *alone, budget)))


def torchrl(budget: Budget) -> Measured:
    """The same of TorchRL: 16 environments in one EnvBase against PettingZooWrapper, which takes one environment."""
    peer = paths.pettingzoo_wrapper(_STEPS)
    found = _overheads("PettingZooWrapper", paths.torchrl(_STEPS, ENVIRONMENTS), peer, budget)
    alone = _of_one("PettingZooWrapper", paths.torchrl(_STEPS, 1), peer, budget)
    return replace(found, figures=(*found.figures, *alone))


def _overheads(name: str, ours: Path, peer: Path, budget: Budget) -> Measured:
    # More steps per second outside the kernel is less overhead: the peer's rate over ours is our overhead over its.
    found = compare(peer.overhead, ours.overhead, budget)
    figures = [Figure("ours", 1e6 / found.other, "µs per environment-step"), Figure(name, 1e6 / found.ours, "µs")]
    return Measured.of(found, figures)


def _of_one(name: str, ours: Path, peer: Path, budget: Budget) -> tuple[Figure, ...]:
    """The same with one environment of 16 agents on either side."""
    found = _overheads(name, ours, peer, budget)
    mine, theirs = (figure.value for figure in found.figures)
    return (
        Figure("with one environment: ours", mine, "µs"),
        Figure(name, theirs, "µs"),
        Figure("and that ratio", found.value, "x"),
    )
