"""Keyed draws inside the kernel: `octogym.cluster.draws`, compiled, and what is derived from a request's key."""

from __future__ import annotations

import math

import numpy as np

from octogym.cluster import draws
from octogym.sim.jit import jit, small
from octogym.sim.layout import A_STAGE, ALWAYS, S_CHILDREN, S_EDGES, S_FIXED, S_N_CHILDREN, S_N_EDGES, S_WORDS

fold = jit(draws.fold)
#: For a loop over keys, of which the processor then works on several at once.
fold_here = small(draws.fold)
uniform = jit(draws.uniform)

_CHILDREN, _SERVICE, _RECALL = draws.CHILDREN, draws.SERVICE, draws.RECALL
_SHIFT = np.uint64(11)


@small
def below(key, threshold):
    """Whether uniform(key) < threshold / 2**53, in integers."""
    return np.int64(key >> _SHIFT) < threshold


@small
def found(key, threshold):
    """Whether an object is found at a recall given as a threshold (2**53 = always, without a draw)."""
    return threshold >= ALWAYS or below(fold(key, _RECALL), threshold)


@small
def children_key(tab, stage, key):
    """Key that the crops of request `key` at `stage` are folded from."""
    return fold(fold(key, _CHILDREN), np.uint64(stage))


@jit
def children(tab, stage, base):
    """Number of crops that a request yields; `base` from `children_key`."""
    at = tab[A_STAGE] + stage * S_WORDS
    last = tab[at + S_N_CHILDREN] - 1
    first = tab[at + S_CHILDREN]
    draw = np.int64(base >> _SHIFT)
    for n in range(last):
        if draw < tab[first + n]:
            return n
    return last


@small
def leaves(tab, stage, key):
    """Leaf results of request `key` at `stage` (not a first stage): fixed by the key alone."""
    fixed = tab[tab[A_STAGE] + stage * S_WORDS + S_FIXED]
    return fixed if fixed >= 0 else drawn_leaves(tab, stage, key)


@jit
def drawn_leaves(tab, stage, key):
    """`leaves` where they depend on the key."""
    at = tab[A_STAGE] + stage * S_WORDS
    total = tab[at + S_FIXED]
    if total >= 0:
        return total
    base = children_key(tab, stage, key)
    total = 0
    for j in range(children(tab, stage, base)):
        child = fold(base, np.uint64(j))
        for k in range(tab[at + S_N_EDGES]):
            total += drawn_leaves(tab, tab[tab[at + S_EDGES] + 2 * k], child)
    return total


@jit
def exponential(key, stage, kind, mean):
    """Exponential service time in ns for a request's key; kind 0 pre, 1 inference, 2 post."""
    u = uniform(fold(fold(fold(key, _SERVICE), np.uint64(stage)), np.uint64(kind)))
    return max(1, np.int64(math.floor(-math.log(1.0 - u) * mean)))
