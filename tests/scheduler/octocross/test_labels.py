"""The label rule, against the published labels and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from octogym.cluster.traces.bandwidth import load_caps, load_link_table, node_rates
from octogym.cluster.traces.node_csv import load_labels
from octogym.scheduler.errors import SchedulerError
from octogym.scheduler.octocross.labels import balanced_loads, share_labels, transfers

# Mbit/s of the nodes' links after the first minute; node n has the rate of trace 1 + ((n - 1) mod 9).
RATES = [188.46, 151.54, 16.35, 182.44, 36.59, 22.83, 21.33, 151.97, 215.04]
AFTER_A_MINUTE = np.array([RATES[n % 9] for n in range(16)])


def test_equal_links_fill_in_the_order_of_the_nodes():
    before = [9, 12, 2, 4, 4, 1, 1, 1, 7, 2, 0, 0, 0, 18, 4, 17]
    after = [10, 10, 10, 10, 6, 1, 1, 1, 7, 2, 0, 0, 0, 10, 4, 10]
    assert balanced_loads(before, np.full(16, 50.0)).tolist() == after


def test_faster_links_fill_first():
    before = [13, 3, 0, 2, 13, 2, 7, 6, 11, 1, 0, 0, 0, 12, 3, 22]
    after = [10, 3, 0, 10, 10, 2, 7, 6, 10, 10, 0, 0, 4, 10, 3, 10]
    assert balanced_loads(before, AFTER_A_MINUTE).tolist() == after


@pytest.mark.data
def test_published_labels_of_the_first_minute(data_folder, campus):
    labels = load_labels(data_folder / "campus" / "gt_campus.csv", 15.0)
    published = np.stack(list(labels.values()), axis=1)[:900]
    caps = data_folder / "bandwidth-30s"
    first = {load_caps(file, file.stem).bit_per_s[0] for file in caps.glob("bandwidth_limits*.json")}
    assert first == {50_000_000}  # of all links
    assert np.array_equal(balanced_loads(campus[:900], np.full(16, 50.0)), published)


@pytest.mark.data
def test_published_labels_of_the_next_half_minute(data_folder, campus):
    # The rates in force from 60 s on also stand, as geometric means of pairs, in the published bandwidth graph.
    table = load_link_table(data_folder / "campus" / "bandwidth.cites")
    rates = np.round(node_rates(table) / 1e4)  # as published, 0.01 Mbit/s: nodes of one trace are equal
    labels = load_labels(data_folder / "campus" / "gt_campus.csv", 15.0)
    published = np.stack(list(labels.values()), axis=1)[900:1350]
    assert np.array_equal(balanced_loads(campus[900:1350], rates), published)


@pytest.mark.data
def test_published_bandwidth_graph(data_folder):
    table = load_link_table(data_folder / "campus" / "bandwidth.cites") / 1e6
    assert [round(table[i - 1, j - 1], 2) for i, j in ((1, 2), (3, 12), (1, 9))] == [168.99, 16.35, 201.31]


loads = st.lists(st.integers(0, 25), min_size=2, max_size=12)


@given(loads, st.integers(0, 2**32 - 1))
def test_labels_conserve_the_total_and_overload_no_one(before, seed):
    rates = np.random.default_rng(seed).random(len(before))
    after = balanced_loads(before, rates, allow_excess=True)
    assert after.sum() == pytest.approx(sum(before))
    if sum(before) <= 10 * len(before):
        assert after.max() <= 10 + 1e-9
    assert (np.minimum(before, 10) <= after + 1e-9).all()  # nobody below capacity gives
    moved = transfers(before, after)
    assert moved.min() >= 0
    assert np.allclose(np.array(before) - moved.sum(1) + moved.sum(0), after)
    shares = share_labels(before, after)
    assert np.allclose(shares.sum(1), 1)
    assert np.allclose(np.array(before) @ shares, after)


def test_each_node_has_its_own_capacity():
    assert balanced_loads([9, 9, 0], [1, 2, 3], capacity=[4, 9, 6]).tolist() == [4, 9, 5]


def test_transfers_walk_both_sides_in_order():
    moved = transfers([15, 0, 14, 6], [10, 7, 10, 8])
    assert moved.tolist() == [[0, 5, 0, 0], [0, 0, 0, 0], [0, 2, 0, 2], [0, 0, 0, 0]]


def test_more_than_all_can_take_is_refused_or_stays():
    with pytest.raises(SchedulerError, match="allow_excess"):
        balanced_loads([30, 12, 4], [1, 1, 1])
    assert balanced_loads([30, 12, 4], [1, 1, 1], allow_excess=True).tolist() == pytest.approx(
        [10 + 160 / 11, 10 + 16 / 11, 10]
    )


@pytest.mark.parametrize("bad", [[-1, 2], [np.nan, 1]])
def test_loads_that_are_none_are_refused(bad):
    with pytest.raises(SchedulerError, match="loads"):
        balanced_loads(bad, [1, 1])


def test_transfers_need_equal_sums():
    with pytest.raises(SchedulerError, match="sum"):
        transfers([3, 2], [1, 1])
