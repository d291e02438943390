from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from octogym.fed.errors import FedError
from octogym.fed.selection import Candidate, Selector, admitted, utilities


def candidates(losses, **same):
    return [Candidate(f"d{i}/a", f"d{i}", loss, **same) for i, loss in enumerate(losses)]


def history(selector, losses, rounds):
    """Device indices of each round."""
    chosen = []
    for number in range(1, rounds + 1):
        names = selector.select(number, candidates(losses))
        chosen.append([int(name[1:].split("/")[0]) for name in names])
    return chosen


def test_utility_is_the_product_of_four_factors():
    found = utilities(
        [
            Candidate("a", "d", 4.0, needed_mb=10, memory_mb=5, time_s=0.5, bandwidth_bps=10),
            Candidate("b", "e", 4.0, needed_mb=10, memory_mb=50, time_s=2, bandwidth_bps=40),
            Candidate("c", "f", 4.0, bandwidth_bps=20),
        ]
    )
    assert found == {"a": 4 * 0.5 * 2 * 0.25, "b": 4 * 1 * 0.5 * 1, "c": 4 * 0.5}
    assert utilities([Candidate("a", "d", 3.0, bandwidth_bps=0)]) == {"a": 3.0}


def test_a_device_admits_by_utility_while_memory_lasts():
    asked = [
        Candidate("low", "d", 1.0, needed_mb=4, memory_mb=10),
        Candidate("high", "d", 3.0, needed_mb=6, memory_mb=10),
        Candidate("middle", "d", 2.0, needed_mb=6, memory_mb=10),
        Candidate("big", "e", 9.0, needed_mb=11, memory_mb=10),
    ]
    assert admitted(asked, utilities(asked)) == {"d": ["high", "low"]}
    assert Selector(0).select(1, asked) == ["high", "low"]


@pytest.mark.parametrize(("devices", "fraction", "expected"), [(1, 0.5, 1), (5, 0.5, 3), (4, 0.5, 2), (4, 1.0, 4)])
def test_as_many_devices_as_the_fraction_rounded_up(devices, fraction, expected):
    chosen = history(Selector(3, fraction), [1.0] * devices, 20)
    assert all(len(set(devices_)) == expected for devices_ in chosen)


def test_the_sum_over_a_devices_clients_counts():
    asked = [Candidate(f"a{i}", "many", 1.0) for i in range(3)] + [Candidate("b", "one", 2.0)]
    assert Selector(0, epsilon=0).select(1, asked) == ["a0", "a1", "a2"]


@pytest.mark.parametrize("explore", ["epsilon", "ucb"])
def test_utility_is_preferred_and_every_device_gets_its_turn(explore):
    losses = [0.1, 0.2, 1.0, 2.0, 8.0, 9.0]
    chosen = history(Selector(5, 1 / 3, explore), losses, 300)
    counts = [sum(device in names for names in chosen) for device in range(6)]
    assert min(counts[4:]) > 2 * max(counts[:4])
    for device in range(6):
        turns = [0] + [i for i, names in enumerate(chosen, 1) if device in names] + [301]
        assert np.diff(turns).max() <= 20 + 3


def test_patience_comes_before_exploration():
    chosen = history(Selector(2, 0.01, epsilon=1.0, patience=15), [1.0] * 12, 400)
    for device in range(12):
        turns = [0] + [i for i, names in enumerate(chosen, 1) if device in names] + [401]
        assert np.diff(turns).max() <= 15 + 12


def test_ucb_tries_every_device_first():
    chosen = history(Selector(0, 0.25, "ucb"), [1, 2, 3, 4, 5, 6, 7, 8], 4)
    assert sorted(itertools.chain(*chosen)) == list(range(8))


def test_without_exploration_the_best_are_taken():
    assert history(Selector(0, 0.5, epsilon=0), [5, 1, 9, 2], 5) == [[0, 2]] * 5


def test_equals_share_the_rounds():
    chosen = history(Selector(0, 0.5, epsilon=0), [1.0] * 4, 40)
    counts = [sum(device in names for names in chosen) for device in range(4)]
    assert min(counts) >= 10


def test_the_same_seed_and_history_give_the_same_choices_in_any_order_of_candidates():
    one, other = Selector(7), Selector(7)
    for number in range(1, 50):
        asked = candidates([3.0, 1.0, 2.0, 5.0, 4.0])
        assert one.select(number, asked) == other.select(number, asked[::-1])
    assert history(Selector(7), [1.0] * 6, 30) != history(Selector(8), [1.0] * 6, 30)


def test_nobody_to_ask():
    assert Selector(0).select(1, []) == []
    assert Selector(0).select(1, candidates([1.0], needed_mb=2, memory_mb=1)) == []


@pytest.mark.parametrize(
    "settings",
    [{"fraction": 0}, {"fraction": 1.1}, {"explore": "best"}, {"epsilon": -1}, {"ucb": -0.1}, {"patience": 0}],
)
def test_settings_out_of_range_are_refused(settings):
    with pytest.raises(FedError, match="expected"):
        Selector(0, **settings)


@pytest.mark.parametrize("values", [{"time_s": 0}, {"bandwidth_bps": -1}, {"memory_mb": -1}, {"time_s": -math.inf}])
def test_impossible_candidates_are_refused(values):
    with pytest.raises(FedError, match="client 'd0/a'"):
        utilities(candidates([1.0], **values))
