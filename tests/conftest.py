"""What all tests share."""

from __future__ import annotations

import os

# Before NumPy and torch start their threads: on a machine that does other things too, small operations that wait for
# each other's threads take a hundred times as long.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest


@pytest.fixture(autouse=True)
def _state_of_racks(tmp_path, monkeypatch):
    """Racks of tests leave their state with the test."""
    monkeypatch.setenv("OCTOGYM_STATE", str(tmp_path / "state"))
