"""The network of IPPO and MAPPO agents, decided with NumPy: one set of weights for all agents, padded heads, masks."""

from __future__ import annotations

import numpy as np

from octogym.agents.sampling import HEADS, inverse_cdf
from octogym.cluster.observation import OBSERVATION
from octogym.cluster.topology import Cluster

#: Units of both hidden layers.
HIDDEN = 64
#: The logit of an index that an agent does not have.
NEVER = np.float32(-1e9)
Parameters = dict[str, np.ndarray]


def kind_of(cluster: Cluster, s: int) -> str:
    """`device-type/model`: agents of one kind differ in nothing that the weights know."""
    instance = cluster.instances[s]
    return f"{cluster.devices[instance.device].type.name}/{cluster.stages[instance.stage].model}"


def sizes_of(cluster: Cluster) -> np.ndarray:
    """int64 [S, 3]: the instances' head sizes."""
    return np.array([instance.action_sizes for instance in cluster.instances], np.int64).reshape(-1, HEADS)


def shapes(kinds: int, heads: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    """Arrays of a network for that many kinds of agents with heads of those sizes (the largest of the scenario).

    `kind1` and `kind3` are biases by kind, as a one-hot input would give; `mean` and `scale` normalise observations.
    """
    out = sum(heads)
    return {
        "mean": (OBSERVATION,),
        "scale": (OBSERVATION,),
        "w1": (OBSERVATION, HIDDEN),
        "kind1": (kinds, HIDDEN),
        "w2": (HIDDEN, HIDDEN),
        "b2": (HIDDEN,),
        "w3": (HIDDEN, out),
        "kind3": (kinds, out),
    }


def initial(kinds: int, heads: tuple[int, ...], generator: np.random.Generator) -> Parameters:
    """Fresh weights, float32: orthogonal, small at the output, so that all actions begin about equally likely."""
    zero = {name: np.zeros(shape, np.float32) for name, shape in shapes(kinds, heads).items()}
    gains = {"w1": 2.0**0.5, "w2": 2.0**0.5, "w3": 0.01}
    weights = {name: orthogonal(zero[name].shape, gain, generator) for name, gain in gains.items()}
    return {**zero, **weights, "scale": np.ones(OBSERVATION, np.float32)}


def orthogonal(shape: tuple[int, ...], gain: float, generator: np.random.Generator) -> np.ndarray:
    """float32 [rows, columns] with orthonormal rows or columns, whichever are fewer, times `gain`."""
    rows, columns = shape
    q, r = np.linalg.qr(generator.standard_normal((max(rows, columns), min(rows, columns))))
    q *= np.sign(np.diag(r))
    return (gain * (q if rows >= columns else q.T)).astype(np.float32)


def head_mask(sizes: np.ndarray, heads: tuple[int, ...]) -> np.ndarray:
    """bool [S, sum of heads]: the indices that each instance has, head after head."""
    return np.concatenate([np.arange(n) < sizes[:, h, None] for h, n in enumerate(heads)], -1)


def probabilities(
    p: Parameters, observation: np.ndarray, kind: np.ndarray, mask: np.ndarray, heads: tuple[int, ...]
) -> list[np.ndarray]:
    """One float32 array [..., S, size] per head.

    Args:
        observation: float32 [..., S, 8].
        kind: int [S], row of `kind1` and `kind3`.
        mask: bool [S, sum of heads].
    """
    x = (observation - p["mean"]) * p["scale"]
    x = np.tanh(x @ p["w1"] + p["kind1"][kind])
    x = np.tanh(x @ p["w2"] + p["b2"])
    logits = np.where(mask, x @ p["w3"] + p["kind3"][kind], NEVER)
    found = []
    for part in np.split(logits, np.cumsum(heads)[:-1], -1):
        weight = np.exp(part - part.max(-1, keepdims=True))
        found.append(weight / weight.sum(-1, keepdims=True))
    return found


def choose(probability: list[np.ndarray], u: np.ndarray | None, sizes: np.ndarray) -> np.ndarray:
    """Indices int64 [..., S, 3], never beyond an instance's own sizes.

    Args:
        u: float64 [..., S, 3] in [0, 1) to sample by inverse CDF; None takes the likeliest.
        sizes: int64 [S, 3].
    """
    if u is None:
        index = np.stack([p.argmax(-1) for p in probability], -1)
    else:
        index = np.stack([inverse_cdf(p, u[..., h]) for h, p in enumerate(probability)], -1)
    # Rounding may leave u above the last sum, and the last index of a padded head is not everybody's.
    return np.minimum(index, sizes - 1)
