"""Checkpoints of untrained rivals for campus-8; torch on one thread."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from octogym.cluster.offloading.layout import OffloadLayout
from octogym.cluster.registry import load_scenario
from octogym.scheduler.octocross.config import OctoCrossConfig
from octogym.scheduler.octocross.ids import DeviceIds
from octogym.scheduler.rivals.file import METHODS, new_model, write_rival

SMALL = OctoCrossConfig(history=12, horizon=16, width=16, blocks=2, heads=4, positions=64)


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def campus():
    """Overloaded at some devices; no download."""
    return load_scenario("campus-8", traces="synthetic", split="test")


@pytest.fixture(scope="session")
def files(campus, tmp_path_factory):
    """Method -> checkpoint of an untrained model, which forecasts what is."""
    cluster = campus.cluster
    names = tuple(cluster.devices[d].id for d in OffloadLayout(cluster, top_k=cluster.D).node_device.tolist())
    folder, found = tmp_path_factory.mktemp("rivals"), {}
    for method in METHODS:
        graph = np.ones((len(names), len(names)), bool) if method == "gnn-lstm" else None
        ids = DeviceIds(SMALL.positions)
        ids.add(names[:-1])
        nodes = names if graph is not None else ()
        model = new_model(method, SMALL, seed=1, graph=graph)
        found[method] = write_rival(folder / method, method, model, ids, {"seed": 1}, nodes)
    return found
