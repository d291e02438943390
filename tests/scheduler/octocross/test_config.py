"""Sizes and limits that cannot be are refused."""

from __future__ import annotations

import pytest

from octogym.scheduler.errors import SchedulerError
from octogym.scheduler.octocross.config import PRESETS, Limits, OctoCrossConfig, preset


@pytest.mark.parametrize(
    "bad", [{"history": 0}, {"width": 30}, {"width": 9, "heads": 3}, {"positions": 2}, {"neighbours": 0}, {"blocks": 0}]
)
def test_bad_sizes(bad):
    with pytest.raises(SchedulerError, match=next(iter(bad))):
        OctoCrossConfig(**bad)


@pytest.mark.parametrize(
    "bad", [{"theta": 0.0}, {"theta": 1.1}, {"beta": -1}, {"rounds": 0}, {"least_added": -1e-3}, {"least_share": 1.0}]
)
def test_bad_limits(bad):
    with pytest.raises(SchedulerError, match=next(iter(bad))):
        Limits(**bad)


def test_presets_go_by_name():
    assert preset("fast") is PRESETS["fast"]
    with pytest.raises(SchedulerError, match="fast"):
        preset("slow")
