"""BCEdge's network and states."""

from __future__ import annotations

import numpy as np
import pytest

from octogym.agents.bcedge import network


def test_it_has_the_published_size():
    assert sum(int(np.prod(shape)) for shape in network.shapes().values()) == 71_941
    p = network.initial(np.random.default_rng(0))
    assert {name: array.shape for name, array in p.items()} == network.shapes()
    assert all(array.dtype == np.float32 and (array != 0).all() for array in p.values())


def test_a_state_is_the_model_its_input_and_the_slo():
    models = {"a": (3, 640, 480), "b": (1, 64, 32)}
    found = network.states(models, ("b", "a"), np.array([0.25, 0.1]))
    assert found.dtype == np.float32
    assert found.tolist() == pytest.approx(np.array([[0.5, 1 / 3, 0.064, 0.032, 0.25], [0, 1, 0.64, 0.48, 0.1]]))


def test_branches_are_distributions():
    p = network.initial(np.random.default_rng(0))
    chances = network.probabilities(p, np.random.default_rng(1).random((7, 5), np.float32))
    assert {name: chance.shape for name, chance in chances.items()} == {
        "batch": (7, 64),
        "concurrency": (7, 2),
        "memory": (7, 2),
    }
    assert all(np.abs(chance.sum(-1) - 1).max() < 1e-5 for chance in chances.values())
