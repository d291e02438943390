"""The network of a learned offloader, decided with NumPy: one set of weights for all agents and any number of targets.

An agent looks at each of its targets through the same weights, beside what it knows of itself and the mean over its
targets, and gives every target a score. The shares are the softmax of the scores over the targets that are there. So
neither the number of agents nor that of targets is in the weights, and what was learned on one cluster runs on another.
"""

from __future__ import annotations

import numpy as np

from octogym.agents.ppo.network import Parameters, orthogonal
from octogym.cluster.offloading.layout import OffloadLayout
from octogym.cluster.offloading.observation import LINK, TARGET
from octogym.cluster.topology import SERVER

#: Units of the hidden layers.
HIDDEN = 64
#: Kinds of targets: the own device, a neighbour, a server.
OWN, NEIGHBOUR, HUB = range(3)
KINDS = 3
#: Score of a target that is not there.
NEVER = np.float32(-1e9)


def kinds_of(layout: OffloadLayout) -> np.ndarray:
    """int64 [T]: the kind of each place among an agent's targets."""
    devices = layout.cluster.devices
    servers = sum(devices[d].role == SERVER for d in layout.node_device.tolist())
    kinds = np.full(layout.T, NEIGHBOUR, np.int64)
    kinds[0] = OWN
    kinds[layout.T - servers :] = HUB
    return kinds


def shapes(history: int) -> dict[str, tuple[int, ...]]:
    """Arrays of a network whose agents see `history` windows of demand. `kind*` are biases by kind of target."""
    own = history + LINK
    return {
        "pool": (TARGET, HIDDEN),
        "kind1": (KINDS, HIDDEN),
        "self": (own + TARGET, HIDDEN),
        "mean": (HIDDEN, HIDDEN),
        "b2": (HIDDEN,),
        "context": (HIDDEN, HIDDEN),
        "target": (TARGET, HIDDEN),
        "kind3": (KINDS, HIDDEN),
        "score": (HIDDEN, 1),
        "kind4": (KINDS,),
    }


def initial(history: int, generator: np.random.Generator) -> Parameters:
    """Fresh weights, float32: orthogonal, small at the output, so that shares begin about even."""
    weights = {name: np.zeros(shape, np.float32) for name, shape in shapes(history).items()}
    for name in ("pool", "self", "mean", "context", "target", "score"):
        gain = 0.01 if name == "score" else 1.0
        weights[name] = orthogonal(weights[name].shape, gain, generator)
    return weights


def inputs(observation: np.ndarray, history: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What the network works on, from observations float32 [..., history + LINK + TARGET T].

    Returns:
        float32 [..., history + LINK + TARGET], of the agent itself and its own device; float32 [..., T, TARGET], of its
        targets; both as log(1 + x), since some values reach 10. And bool [..., T], which targets are there; the own
        device where none is.
    """
    values = np.log1p(observation)
    own = history + LINK
    target = values[..., own:].reshape(*values.shape[:-1], -1, TARGET)
    there = target[..., 0] > 0
    there[..., 0] |= ~there.any(-1)
    return values[..., : own + TARGET], target, there


def scores(p: Parameters, own: np.ndarray, target: np.ndarray, there: np.ndarray, kinds: np.ndarray) -> np.ndarray:
    """float32 [..., T], from `inputs`; `NEVER` for targets that are not there. `kinds` of `kinds_of`."""
    each = np.tanh(target @ p["pool"] + p["kind1"][kinds]) * there[..., None]
    mean = each.sum(-2) / there.sum(-1, keepdims=True, dtype=np.float32)
    context = np.tanh(own @ p["self"] + mean @ p["mean"] + p["b2"])
    x = np.tanh((context @ p["context"])[..., None, :] + target @ p["target"] + p["kind3"][kinds])
    return np.where(there, (x @ p["score"])[..., 0] + p["kind4"][kinds], NEVER)


def actions(score: np.ndarray) -> np.ndarray:
    """The environment's action, float32 [..., T] in [-1, 1], whose shares are the softmax of `score`."""
    weight = np.exp(score - score.max(-1, keepdims=True))
    action: np.ndarray = 2 * (weight / weight.sum(-1, keepdims=True)).astype(np.float32) - 1
    return np.clip(action, -1, 1)
