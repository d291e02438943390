"""BCEdge's network and what it sees of a model, with NumPy (Zhang et al., IEEE TNSM 2024, as re-implemented by FCPO's
authors; FCPO's repository, bcedge.h).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

#: Values of a state: model, channels, height, width of its input, SLO.
STATE = 5
#: Sizes of the three branches: batch 1 to 64, 1 or 2 concurrent instances, shared-memory configuration.
BRANCHES = {"batch": 64, "concurrency": 2, "memory": 2}
#: Input of each model: channels, height, width (FCPO's container library).
INPUTS: dict[str, tuple[int, int, int]] = {
    "age": (3, 224, 224),
    "arcface": (3, 112, 112),
    "carbrand": (3, 224, 224),
    "emotionnet": (1, 64, 64),
    "gender": (3, 224, 224),
    "movenet": (3, 192, 192),
    "platedet": (3, 224, 224),
    "retina1face": (3, 288, 320),
    "retinamtface": (3, 576, 640),
    "yolov5n": (3, 640, 640),
}
_SHARED = (("shared1", STATE, 256), ("shared2", 256, 128))
Parameters = dict[str, np.ndarray]


def _layers() -> tuple[tuple[str, int, int], ...]:
    branches = []
    for name, out in (*BRANCHES.items(), ("value", 1)):
        branches += [(name + "1", 128, 64), (name + "2", 64, out)]
    return (*_SHARED, *branches)


def shapes() -> dict[str, tuple[int, ...]]:
    """Arrays of one network, 71,941 numbers."""
    found: dict[str, tuple[int, ...]] = {}
    for name, rows, columns in _layers():
        found[name + ".w"], found[name + ".b"] = (rows, columns), (columns,)
    return found


def initial(generator: np.random.Generator) -> Parameters:
    """Fresh weights, float32: uniform within 1 / sqrt(inputs), as a linear layer of torch begins."""
    weights = {}
    for name, rows, columns in _layers():
        bound = rows**-0.5
        weights[name + ".w"] = generator.uniform(-bound, bound, (rows, columns)).astype(np.float32)
        weights[name + ".b"] = generator.uniform(-bound, bound, columns).astype(np.float32)
    return weights


def states(models: Mapping[str, tuple[int, int, int]], names: tuple[str, ...], slo_s: np.ndarray) -> np.ndarray:
    """float32 [n, 5]: model number / number of models, channels / 3, height / 1000, width / 1000, SLO in seconds.

    Args:
        models: every model that there is, in the order of their numbers, and its input.
        names: [n], the model of each state; slo_s: float64 [n].
    """
    number = {name: k for k, name in enumerate(models)}
    rows = [(number[name] / len(models), *np.divide(models[name], (3, 1000, 1000))) for name in names]
    return np.column_stack([np.array(rows).reshape(-1, STATE - 1), slo_s]).astype(np.float32)


def probabilities(p: Parameters, state: np.ndarray) -> dict[str, np.ndarray]:
    """Per branch float32 [n, size], for states float32 [n, 5]."""
    x = state
    for name, _, _ in _SHARED:
        x = np.maximum(x @ p[name + ".w"] + p[name + ".b"], 0)
    found = {}
    for name in BRANCHES:
        hidden = np.maximum(x @ p[name + "1.w"] + p[name + "1.b"], 0)
        logits = hidden @ p[name + "2.w"] + p[name + "2.b"]
        weight = np.exp(logits - logits.max(-1, keepdims=True))
        found[name] = weight / weight.sum(-1, keepdims=True)
    return found
