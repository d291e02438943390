"""What all tests share."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _state_of_racks(tmp_path, monkeypatch):
    """Racks of tests leave their state with the test."""
    monkeypatch.setenv("OCTOGYM_STATE", str(tmp_path / "state"))
