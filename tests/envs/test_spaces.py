"""Spaces and masks."""

from __future__ import annotations

import numpy as np
from gymnasium import spaces

from octogym.envs.spaces import (
    accepted_sizes,
    action_masks,
    action_sizes,
    bad_action,
    observation_space,
    stacked,
    with_devices,
)
from tests.envs.toy_backend import toy_scenario

CLUSTER = toy_scenario().cluster


def test_sizes_are_the_instances_or_the_largest() -> None:
    assert (
        action_sizes(CLUSTER).tolist() == accepted_sizes(CLUSTER, False).tolist() == [[2, 8, 2], [1, 16, 4], [4, 4, 2]]
    )
    assert accepted_sizes(CLUSTER, True).tolist() == [[4, 16, 4]] * 3


def test_the_observation_space_is_the_same_for_every_scenario_and_finite() -> None:
    box = observation_space()
    assert box == observation_space() and box is not observation_space()
    assert box.high.tolist() == [1, 1, 1, 40, 1, 1, 1, 100] and not box.low.any()


def test_stacked_spaces() -> None:
    box = spaces.Box(np.array([0, -1], np.float32), np.array([2, 3], np.float32))
    assert stacked(box, 2).high.tolist() == [2, 3, 2, 3]
    assert with_devices(box, 2, 3).low.tolist() == [0, -1, 0, -1, 0, 0, 0]


def test_masks_are_what_multidiscrete_samples_with() -> None:
    masks = action_masks(np.array([2, 1, 3]), np.array([4, 2, 3]))
    assert [m.tolist() for m in masks] == [[1, 1, 0, 0], [1, 0], [1, 1, 1]]
    space = spaces.MultiDiscrete([4, 2, 3])
    assert all((space.sample(masks) < [2, 1, 3]).all() for _ in range(30))


def test_errors_say_whose_what_and_what_is_allowed() -> None:
    said = str(bad_action("cam", [9, 9, 9], np.array([2, 8, 4])))
    assert said == "action of 'cam' = [9, 9, 9]; allowed: 3 integers, pack 0 to 1, batch 0 to 7, threads 0 to 3"
