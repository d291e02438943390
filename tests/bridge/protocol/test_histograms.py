import random

import numpy as np
import pytest

from octogym.bridge.protocol import ProtocolError
from octogym.bridge.protocol.histograms import MAX_BINS, HistogramSender, check_bins


@pytest.mark.parametrize("loss", [0.0, 0.5, 0.9])
def test_whatever_is_lost_on_the_way_the_other_side_catches_up(loss):
    draw, size = random.Random(1), 2 * 3 * 50
    truth, copy = np.zeros((2, 3, 50), np.uint32), np.zeros(size, np.uint32)
    sender, seen = HistogramSender(size), 0
    for seq in range(1, 200):
        truth.reshape(-1)[draw.randrange(size)] += 1
        index, count = sender.pack(truth, seq, seen)
        if draw.random() >= loss or seq == 199:
            copy[index] = count
            seen = seq if draw.random() >= loss else seen  # the word back may get lost too
            assert np.array_equal(copy, truth.reshape(-1))


def test_only_news_travels():
    sender, bins = HistogramSender(10), np.arange(10, dtype=np.uint32).reshape(1, 1, 10)
    assert len(sender.pack(bins, 1, 0)[0]) == 9
    assert len(sender.pack(bins, 2, 0)[0]) == 9  # nobody has said that the first arrived
    bins[0, 0, 4] += 1
    assert sender.pack(bins, 3, 2)[0].tolist() == [4]


def test_too_many_bins_go_one_after_the_other():
    size = 2 * MAX_BINS + 10
    sender, bins, copy = HistogramSender(size), np.ones(size, np.uint32), np.zeros(size, np.uint32)
    for seq in range(1, 4):
        index, count = sender.pack(bins, seq, seq - 1)
        assert len(index) <= MAX_BINS
        copy[index] = count
    assert (copy == 1).all()


@pytest.mark.parametrize(("index", "count"), [([10], [1]), ([1, 2], [1])])
def test_bins_must_exist(index, count):
    with pytest.raises(ProtocolError) as refused:
        check_bins(np.array(index, np.uint32), np.array(count, np.uint32), 10)
    assert refused.value.rule == "table"
