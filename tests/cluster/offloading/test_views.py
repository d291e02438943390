"""The formulas of the adjacency views."""

from __future__ import annotations

import numpy as np
import pytest

from octogym.cluster.errors import OctoGymError
from octogym.cluster.offloading.views import network, physical, room


def test_who_follows_whom_is_seen_and_only_that_way() -> None:
    x = np.random.default_rng(0).normal(10, 2, (600, 2))
    x[12:, 1] = x[:-12, 0]  # node 1 is node 0, 12 samples later
    x = np.column_stack([x, np.full(600, 5.0), 20 - x[:, 0]])
    view = physical(x)
    assert view[0, 1] == pytest.approx(1, abs=0.02) and view[1, 0] < 0.2
    assert not view[2].any() and not view[:, 2].any()  # a load that never changes
    assert view[0, 3] < 0.2  # what falls as the other rises
    assert not view.diagonal().any() and view.min() >= 0 and view.max() <= 1
    with pytest.raises(OctoGymError, match="lags"):
        physical(x[:20])


def test_faster_links_are_better_and_slow_ones_none() -> None:
    fast, middle, slow, none = network(np.array([50e6, 5e6, 1e5, 0.0]), np.array(6000.0), 0.005)
    assert fast > middle > 0 and slow == none == 0
    assert fast == pytest.approx(np.exp(-(((0.005 + 48_000 / 50e6) / 0.02) ** 2)))


def test_room_is_what_the_load_leaves() -> None:
    assert room(np.array([4.0, 12.0, 0.0, 0.0]), np.array([10.0, 10, 10, 0])).tolist() == pytest.approx([0.6, 0, 1, 0])
