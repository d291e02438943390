"""What a node knows of itself, from its memory to the frame and back."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from octogym.bridge.protocol import ObsRows, ProtocolError
from octogym.bridge.protocol.observations import ObsLayout
from octogym.bridge.protocol.rows import CUMULATIVE
from octogym.bridge.protocol.tables import decode_tables, encode_tables, pack, unpack
from tests.bridge.protocol.histories import deployment

LAYOUT = ObsLayout(deployment("a", ["a", "b", "c"]))
NAMES = list(LAYOUT.spans)


def filled(seed=0):
    rows = ObsRows(LAYOUT)
    draw = np.random.default_rng(seed)
    for name in NAMES:
        array = getattr(rows, name)
        array[...] = draw.integers(0, 100, array.shape)
    return rows


def some_bins(n):
    return np.arange(n, dtype=np.uint32), np.arange(n, dtype=np.uint32) + 7


def test_arrays_are_views_of_one_memory_and_copies_are_not():
    rows = filled()
    counted = np.concatenate([getattr(rows, name).reshape(-1) for name in CUMULATIVE])
    assert rows.counted[rows.counted != 0].tolist() == counted[counted != 0].tolist()
    copy = rows.copy()
    rows.memory[:] = 0
    assert not rows.queue.any() and not rows.flags.any() and copy.queue.any() and copy.counters.any()


@settings(max_examples=60)
@given(st.integers(0, 40), st.integers(0, 2**32))
def test_what_is_written_is_read(n, seed):
    rows, (bins, counts) = filled(seed), some_bins(n)
    tables, payload = LAYOUT.write(rows, bins, counts)
    found = LAYOUT.read(tables, payload)
    assert found.fixed.tobytes() == rows.memory.tobytes()
    assert found.bins.tolist() == bins.tolist() and found.counts.tolist() == counts.tolist()
    # The frame is what the tables say, whoever reads it.
    arrays = unpack(decode_tables(tables), payload)
    assert list(arrays) == [*NAMES, "hist_index", "hist_count"]
    assert all(np.array_equal(arrays[name], getattr(rows, name)) for name in NAMES)


@pytest.mark.parametrize("n", [0, 1, 2, 5])
def test_another_order_and_unknown_arrays_are_read_alike(n):
    rows, (bins, counts) = filled(), some_bins(n)
    arrays = {name: getattr(rows, name) for name in NAMES}
    arrays.update(hist_index=bins, hist_count=counts, news=np.ones(3, np.float32))
    tables, payload = pack(dict(reversed(arrays.items())))
    found = LAYOUT.read(encode_tables(tables), payload)
    assert found.fixed.tobytes() == rows.memory.tobytes() and found.bins.tolist() == bins.tolist()


def _changed(tables, payload, kind):
    tables = decode_tables(tables)
    if kind == "short":
        payload = payload[:-8]
    elif kind == "long":
        payload += bytes(8)
    elif kind == "missing":
        del tables[0]
    elif kind == "dtype":
        tables[0].dtype = "uint64"
    elif kind == "shape":
        tables[0].shape.reverse()
    elif kind == "bins":
        tables[-1].shape[0] += 1
    elif kind == "negative":
        tables[-1].shape[0] = -1
    return encode_tables(tables), payload


@pytest.mark.parametrize(
    ("kind", "rule"),
    [
        ("short", "bytes"),
        ("long", "bytes"),
        ("missing", "bytes"),
        ("dtype", "table"),
        ("shape", "table"),
        ("bins", "table"),
        ("negative", "table"),
    ],
)
def test_a_frame_that_is_not_what_its_tables_say_is_refused(kind, rule):
    tables, payload = _changed(*LAYOUT.write(filled(), *some_bins(5)), kind)
    with pytest.raises(ProtocolError) as refused:
        LAYOUT.read(tables, payload)
    assert refused.value.rule == rule


def test_a_bin_that_does_not_exist_is_refused():
    bins = np.array([LAYOUT.histogram_size], np.uint32)
    with pytest.raises(ProtocolError, match="hist_index"):
        LAYOUT.read(*LAYOUT.write(filled(), bins, bins))


@pytest.mark.parametrize("raw", [7, "text", [[1, 2, 3]], [["x", "int8"]], [["x", "int8", [0]]] * 257])
def test_tables_that_are_none_are_refused(raw):
    with pytest.raises(ProtocolError) as refused:
        LAYOUT.read(encode_tables(raw), b"")
    assert refused.value.rule == "field"


def test_a_device_without_instances():
    empty = deployment("a", ["a", "b"])
    empty.instances, empty.routes = [], []
    layout = ObsLayout(empty)
    rows, none = ObsRows(layout), np.zeros(0, np.uint32)
    rows.device[:] = 5
    found = layout.read(*layout.write(rows, none, none))
    assert found.fixed.tobytes() == rows.memory.tobytes() and rows.histograms.size == 0
