"""Nodes in processes of their own; `test_faults_short` kills and stops them."""

from __future__ import annotations

import pytest

pytest.importorskip("numba")
pytest.importorskip("zmq")

from octogym.cluster.registry import load_scenario
from octogym.rack.faults import Fault
from octogym.rack.processes import RackError
from octogym.rack.up import simulated_rack


def test_faults_are_not_staged_among_processes():
    with (
        pytest.raises(RackError, match="killed from outside"),
        simulated_rack(load_scenario("traffic-2"), faults=[Fault("cut", "cam-1", 1, 1)], nodes="processes"),
    ):
        pass
