"""Stable numbers of devices."""

from __future__ import annotations

import numpy as np
import pytest

from octogym.scheduler.errors import SchedulerError
from octogym.scheduler.octocross.ids import FIRST_DEVICE, SERVER, UNKNOWN, DeviceIds, some_unknown


def test_numbers_stay_whatever_comes_and_goes():
    ids = DeviceIds(rows=16)
    assert ids.add(["cam-1", "cam-2"]) == ["cam-1", "cam-2"]
    assert ids.add(["cam-3", "cam-1"]) == ["cam-3"]
    assert ids.of(["cam-3", "cam-1", "new"]).tolist() == [4, 2, UNKNOWN]
    again = DeviceIds(16, ids.known)
    assert again.add(["cam-0"]) == ["cam-0"]
    assert again.of(["cam-0", "cam-2"]).tolist() == [5, 3]


def test_devices_beyond_the_table_stay_unknown():
    ids = DeviceIds(rows=4)
    assert ids.add(["a", "b", "c"]) == ["a", "b"]
    assert ids.of(["a", "b", "c"]).tolist() == [2, 3, UNKNOWN]


@pytest.mark.parametrize("known", [{"a": SERVER}, {"a": 8}, {"a": 3, "b": 3}])
def test_numbers_that_cannot_be_are_refused(known):
    with pytest.raises(SchedulerError, match="known"):
        DeviceIds(8, known)


def test_a_table_without_devices_is_refused():
    with pytest.raises(SchedulerError, match="rows"):
        DeviceIds(FIRST_DEVICE)


def test_some_become_unknown_but_no_server():
    ids = np.tile([2, 3, SERVER, UNKNOWN], (5000, 1))
    hidden = some_unknown(ids, np.random.default_rng(0), share=0.1)
    assert np.array_equal(hidden[:, 2:], ids[:, 2:])
    assert set(np.unique(hidden[:, 0])) == {UNKNOWN, 2}
    assert 0.08 < (hidden[:, :2] == UNKNOWN).mean() < 0.12
