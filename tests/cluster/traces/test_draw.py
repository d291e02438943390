"""Draws of the synthetic traces: what they are made of, and that they depend on nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from octogym.cluster.traces.draw import Draws

MANY = 20_000


def test_same_seed_and_purpose_same_draws():
    assert Draws(3, "a").take(5).tolist() == Draws(3, "a").take(5).tolist()
    assert Draws(3, "a").take(5).tolist() == Draws(3, "a").take(50)[:5].tolist()
    for other in (Draws(4, "a"), Draws(3, "b")):
        assert Draws(3, "a").take(5).tolist() != other.take(5).tolist()
    draws = Draws(3, "a")
    assert draws.take(5).tolist() != draws.take(5).tolist()
    assert Draws(3, "a").take(0).shape == (0,)


def test_distributions_have_their_moments():
    draws = Draws(1, "moments")
    uniform, normal = draws.take(MANY), draws.normal(MANY)
    assert uniform.mean() == pytest.approx(0.5, abs=0.01)
    assert (normal.mean(), normal.std()) == (pytest.approx(0, abs=0.03), pytest.approx(1, abs=0.03))
    for shape in (1, 2, 8):
        stay = draws.erlang(shape, MANY, 6.0)
        assert stay.mean() == pytest.approx(6, rel=0.03)
        assert stay.var() == pytest.approx(36 / shape, rel=0.08)
    size = draws.geometric(MANY, 2.5)
    assert size.min() == 1
    assert size.mean() == pytest.approx(2.5, rel=0.03)
    assert (size**2).mean() / size.mean() == pytest.approx(4, rel=0.05)
    assert np.all(draws.geometric(10, 1.0) == 1)
