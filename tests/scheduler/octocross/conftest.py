"""The measured traces, where they are; torch on one thread."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from octogym.cluster.traces import find_data
from octogym.cluster.traces.count_json import load_person_json


@pytest.fixture(scope="session")
def data_folder():
    folder = find_data()
    if folder is None:
        pytest.skip("the measured traces are not here: set OCTOGYM_DATA to their folder")
    return folder


@pytest.fixture(scope="session")
def campus(data_folder):
    """Persons per frame of scene s01, [7362, 16], 15 frames per second."""
    series = load_person_json(data_folder / "campus" / "s01_person.json")
    return np.stack([one.total() for one in series.values()], axis=1)


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
